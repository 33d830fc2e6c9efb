//! Erlang's external term format, as far as an error needs it.

/// The tags of what is written. Source: Erlang's "External Term Format", version 131.
const VERSION: u8 = 131;
const MAP: u8 = 116;
const BINARY: u8 = 109;
const INTEGER: u8 = 98;

/// Prints `#{<<"message">> => Message, <<"status">> => Status}`. Source: contract hex §7.1, §7.4.
pub fn print_error(status: u16, message: &str) -> Vec<u8> {
    let mut term = vec![VERSION, MAP];
    term.extend(2u32.to_be_bytes());
    put_binary(&mut term, "message");
    put_binary(&mut term, message);
    put_binary(&mut term, "status");
    term.push(INTEGER);
    term.extend(i32::from(status).to_be_bytes());
    term
}

fn put_binary(term: &mut Vec<u8>, text: &str) {
    term.push(BINARY);
    term.extend((text.len() as u32).to_be_bytes());
    term.extend(text.as_bytes());
}
