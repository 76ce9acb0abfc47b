//! Objects that stay objects: a derived `Deserialize` also takes an array of the fields' values, so that
//! `["reply", "Reply"]` would be an action and `[null]` a profile. Bodies are read through these instead.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// Reads `T` from an object and from nothing else.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// For `deserialize_with`: an object.
pub fn one<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// For `deserialize_with`: an object that may be `null`.
pub fn optional<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(value)| value))
}

/// For `deserialize_with`: objects by name.
pub fn by_name<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let objects = BTreeMap::<String, Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|(name, Object(value))| (name, value)).collect())
}

/// For `deserialize_with`: a list of objects.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

/// For `deserialize_with`: a list of objects that may be `null`.
pub fn optional_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let objects = Option::<Vec<Object<T>>>::deserialize(deserializer)?;
    Ok(objects.map(|objects| objects.into_iter().map(|Object(value)| value).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewAlert;

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        let read = |json: &str| {
            serde_json::from_str::<Object<NewAlert>>(json).map(|_| ()).map_err(|error| error.to_string())
        };
        let rest = r#""to":{"user":"ann"},"kind":"k","data":{"a": 1}"#;
        read(&format!(r#"{{{rest},"actions":[{{"id":"a","label":"A"}}],"ladder":null}}"#)).unwrap();
        for wrong in [
            r#"[{"user":"ann"},"k"]"#.to_owned(),
            format!(r#"{{{rest},"actions":[["a","A"]]}}"#),
            format!(r#"{{{rest},"ladder":[["live"]]}}"#),
        ] {
            let error = read(&wrong).unwrap_err();
            assert!(error.contains("invalid type: sequence, expected an object"), "{wrong}: {error}");
        }
    }
}
