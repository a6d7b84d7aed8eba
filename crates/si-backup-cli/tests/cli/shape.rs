//! What is printed, held against the schemas that are published, and a little more: nothing that they do not name.

use jsonschema::Validator;
use serde_json::Value;
use si_backup_cli::view::schemas;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static VALIDATORS: LazyLock<BTreeMap<&'static str, Validator>> = LazyLock::new(|| {
    let validator = |mut schema: Value| {
        close(&mut schema);
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    };
    schemas().into_iter().map(|of| (of.command, validator(of.schema))).collect()
});

/// What is wrong with an envelope: nothing, when its command's schema allows it, field by field.
pub(crate) fn complaints(envelope: &Value) -> Vec<String> {
    let command = envelope["command"].as_str().unwrap_or_default();
    let Some(validator) = VALIDATORS.get(command) else {
        return vec![format!("no schema tells of '{command}'")];
    };
    validator.iter_errors(envelope).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

/// The published schemas leave room for fields to come. Here one that is not named yet is a mistake.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".into(), false.into());
            }
            let conditions = ["if", "then", "else"];
            fields
                .iter_mut()
                .filter(|(name, _)| !conditions.contains(&name.as_str()))
                .for_each(|(_, value)| close(value));
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
