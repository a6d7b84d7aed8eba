//! The page about the policy says what the data say.

use backup_contract::Clause;

const PAGE: &str = include_str!("../../../../docs/policy.md");

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_clause_has_its_section() {
    let sections: Vec<_> = PAGE.split("\n### ").skip(1).collect();
    assert_eq!(sections.len(), Clause::all().count());
    for (clause, section) in Clause::all().zip(sections) {
        let section = in_one_line(section);
        let head = format!("`{}` ({}) {}", clause.id, clause.section, clause.text);
        assert!(section.starts_with(&head), "{}: {section}", clause.id);
        assert!(section.contains(&format!("*Met when:* {}", clause.met_when)), "{}: {section}", clause.id);
        let parameters: Vec<_> =
            clause.parameters.iter().map(|p| format!("`{}` {}", p.name, p.value)).collect();
        let told = format!("*Parameters:* {}.", parameters.join(", "));
        assert!(parameters.is_empty() || section.contains(&told), "{}: {told}: {section}", clause.id);
        assert_eq!(section.contains("*Parameters:*"), !parameters.is_empty(), "{}", clause.id);
        assert!(section.contains("*How it is judged:*"), "{}", clause.id);
    }
}
