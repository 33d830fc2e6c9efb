//! Protocol buffers as bytes: each field behind its number and kind. Source: protobuf.dev, "Encoding".

/// The kinds of field that Hex's messages have here.
const VARINT: u64 = 0;
const LENGTH: u64 = 2;

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut written = Vec::new();
    while value >= 0x80 {
        written.push(value as u8 | 0x80);
        value >>= 7;
    }
    written.push(value as u8);
    written
}

pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3 | VARINT), varint(value)].concat()
}

pub fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [&varint(field << 3 | LENGTH), &varint(value.len() as u64), value].concat()
}

pub fn text(field: u64, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

pub fn message(field: u64, fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(field, &fields.concat())
}
