//! Values for machines.

use serde_json::{Map, Value, json};
use skep_btf::Shown;

/// The value as JSON: integers as numbers, bytes as hex, what has a meaning as text. What could not
/// be read is null.
pub(crate) fn to_json(value: &Shown) -> Value {
    match value {
        Shown::Int(value) => json!(value),
        Shown::UInt(value) | Shown::Pointer(value) => json!(value),
        Shown::Bool(value) => json!(value),
        Shown::Char(value) => json!(value.to_string()),
        Shown::Float(value) if value.is_finite() => json!(value),
        Shown::Float(value) => json!(value.to_string()),
        Shown::Str(text) | Shown::Text(text) => json!(text),
        Shown::Bytes(bytes) => json!(hex(bytes)),
        Shown::Array(values) => values.iter().map(to_json).collect(),
        Shown::Struct(members) => object(members),
        Shown::Truncated => Value::Null,
    }
}

/// Members of unnamed unions may share a name; then the last one stays.
fn object(members: &[(String, Shown)]) -> Value {
    let members = members.iter().map(|(name, value)| (name.clone(), to_json(value)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// `0a0b`
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_has_a_form() {
        let table = [
            (Shown::Int(i64::MIN), json!(i64::MIN)),
            (Shown::UInt(u64::MAX), json!(u64::MAX)),
            (Shown::Pointer(4096), json!(4096)),
            (Shown::Bool(true), json!(true)),
            (Shown::Char('x'), json!("x")),
            (Shown::Float(0.5), json!(0.5)),
            (Shown::Float(f64::NAN), json!("NaN")),
            (Shown::Str("a\"b".into()), json!("a\"b")),
            (Shown::Text("192.0.2.1".into()), json!("192.0.2.1")),
            (Shown::Bytes(vec![0, 255]), json!("00ff")),
            (Shown::Array(vec![Shown::Int(1)]), json!([1])),
            (Shown::Struct(vec![("a".into(), Shown::Int(1))]), json!({"a": 1})),
            (Shown::Truncated, Value::Null),
        ];
        for (value, want) in table {
            assert_eq!(to_json(&value), want);
        }
    }
}
