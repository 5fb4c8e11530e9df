mod asking;
mod decoding;
mod encoding;
mod failing;
