//! The shape of what `--json` prints, for programs that read it: one JSON Schema a command, made from the row types.

use super::{
    AppStatusRow, ApplyRow, ApplySummary, AuditRow, ChainRow, Checks, ClauseRow, ContractRow,
    ContractSummary, Data, DiffRow, DoctorRow, Envelope, ExplainedRow, ExtractRow, ForecastRow,
    ForecastSummary, GuardRow, InitRow, KitRow, ListRow, PinRow, PlanSummary, PolicySummary, RestoreRow,
    RunRow, ShowRow, StatusRow, VerifyRow,
};
use paas_state::Event;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

/// What a command prints with `--json`.
#[derive(Debug, Clone)]
pub struct CommandSchema {
    /// The command, in the words of the envelope.
    pub command: &'static str,
    /// A JSON Schema of draft 2020-12.
    pub schema: Value,
}

impl CommandSchema {
    /// The file below docs/schemas/ that it is published as: `retention-plan.schema.json`.
    #[must_use]
    pub fn file_name(&self) -> String {
        let words = self.command.strip_prefix("backup ").unwrap_or(self.command);
        format!("{}.schema.json", words.replace(' ', "-"))
    }
}

/// The schema of every command, and that of `backup` alone: what is printed when the words make no command.
#[must_use]
pub fn schemas() -> Vec<CommandSchema> {
    vec![
        of::<Data<Nothing>, Nothing>("backup"),
        of::<Data<InitRow>, Nothing>("backup init"),
        of::<Data<KitRow>, Nothing>("backup kit"),
        of::<Data<ContractRow>, ContractSummary>("backup contract"),
        of::<Data<RunRow>, Nothing>("backup run"),
        of::<Data<StatusRow>, Nothing>("backup status"),
        of::<Data<ListRow>, Nothing>("backup list"),
        of::<Data<ShowRow>, Nothing>("backup show"),
        of::<Data<DiffRow>, Nothing>("backup diff"),
        of::<Data<VerifyRow>, Nothing>("backup verify"),
        of::<Data<ExtractRow>, Nothing>("backup extract"),
        of::<Data<RestoreRow>, Nothing>("backup restore"),
        of::<Data<RestoreRow>, Nothing>("backup restore resume"),
        of::<Data<RestoreRow>, Nothing>("backup restore undo"),
        of::<Data<RestoreRow>, Nothing>("backup restore confirm"),
        of::<Data<GuardRow>, Nothing>("backup guard status"),
        of::<Data<GuardRow>, Nothing>("backup guard check"),
        of::<Data<GuardRow>, Nothing>("backup guard recheck"),
        of::<Data<GuardRow>, Nothing>("backup guard release"),
        of::<Data<AppStatusRow>, Nothing>("backup app status"),
        of::<Data<PinRow>, Nothing>("backup pin"),
        of::<Data<PinRow>, Nothing>("backup unpin"),
        of::<Data<ExplainedRow<'static>>, PlanSummary>("backup retention plan"),
        of::<Data<ApplyRow<'static>>, ApplySummary>("backup retention apply"),
        of::<Data<ForecastRow>, ForecastSummary>("backup retention forecast"),
        of::<Data<ClauseRow>, PolicySummary>("backup policy"),
        of::<Data<AuditRow>, Nothing>("backup audit list"),
        of::<Checks<ChainRow>, Nothing>("backup audit verify"),
        of::<Data<Event>, Nothing>("backup events list"),
        of::<Checks<DoctorRow>, Nothing>("backup doctor"),
    ]
}

/// What there never is.
enum Nothing {}

impl JsonSchema for Nothing {
    fn schema_name() -> Cow<'static, str> {
        "Nothing".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(false)
    }
}

fn of<Body: JsonSchema, Summary: JsonSchema>(command: &'static str) -> CommandSchema {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Envelope<'static, Body, Summary>>().to_value();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.insert("command".into(), json!({ "const": command }));
        if Summary::schema_name() == Nothing::schema_name() {
            properties.remove("summary");
        }
    }
    let words = command.strip_prefix("backup").unwrap_or(command);
    schema["title"] = format!("si-backup{words} --json").into();
    schema["description"] =
        "The one object on standard output, also on failure. Later versions may add fields; \
                             none is renamed or dropped."
            .into();
    // An error, and only then.
    schema["if"] = json!({ "properties": { "ok": { "const": false } } });
    schema["then"] = json!({ "required": ["error"] });
    schema["else"] = json!({ "not": { "required": ["error"] } });
    without_links(&mut schema);
    CommandSchema { command, schema }
}

/// Descriptions come from the documentation of the types, whose links lead nowhere here.
fn without_links(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => {
                        *text = text.replace("[`", "`").replace("`]", "`");
                    }
                    value => without_links(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_links),
        _ => {}
    }
}
