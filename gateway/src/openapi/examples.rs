//! What requests and answers look like, for readers of the description: `examples.json` has them by operation and status.

use serde_json::{Map, Value};

const EXAMPLES: &str = include_str!("examples.json");
/// What stands for each answer that is a problem.
const PROBLEM: &str = "problem";

/// Puts the examples of an operation where its bodies are described.
pub(super) fn add(operation: &mut Map<String, Value>, examples: &Value) {
    let of_operation = operation.get("operationId").and_then(Value::as_str).and_then(|id| examples.get(id));
    let Some(of_operation) = of_operation else { return };
    put(operation.get_mut("requestBody"), of_operation.get("request"));
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    for (status, response) in responses.into_iter().flatten() {
        put(Some(response), of_operation.get(status));
    }
}

fn put(described: Option<&mut Value>, example: Option<&Value>) {
    let contents = described.and_then(|described| described.get_mut("content")).and_then(Value::as_object_mut);
    let (Some(contents), Some(example)) = (contents, example) else { return };
    for body in contents.values_mut().filter_map(Value::as_object_mut) {
        body.insert("example".to_owned(), example.clone());
    }
}

/// The examples; a file that is no JSON would be noticed by the test of the description.
pub(super) fn all() -> Value {
    serde_json::from_str(EXAMPLES).unwrap_or_default()
}

/// The one of a problem.
pub(super) fn of_a_problem(examples: &Value) -> Value {
    examples.get(PROBLEM).cloned().unwrap_or_default()
}
