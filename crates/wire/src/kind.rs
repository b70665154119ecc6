//! Names of types, classes and opcodes (IANA registries; RFC 3597 for the unknown ones).

use std::borrow::Cow;

/// `A`, `HTTPS`, … or `TYPE65280`.
#[must_use]
pub fn type_name(_number: u16) -> Cow<'static, str> {
    todo!()
}

/// Reads a type name in any case, or `TYPE65280`.
#[must_use]
pub fn type_from_name(_text: &str) -> Option<u16> {
    todo!()
}

/// `IN`, `CH`, … or `CLASS5`.
#[must_use]
pub fn class_name(_number: u16) -> Cow<'static, str> {
    todo!()
}

/// Reads a class name in any case, or `CLASS5`.
#[must_use]
pub fn class_from_name(_text: &str) -> Option<u16> {
    todo!()
}

/// `QUERY`, `UPDATE`, … or `OPCODE7`.
#[must_use]
pub fn opcode_name(_number: u8) -> Cow<'static, str> {
    todo!()
}

/// Reads an opcode name in any case, or `OPCODE7`.
#[must_use]
pub fn opcode_from_name(_text: &str) -> Option<u8> {
    todo!()
}
