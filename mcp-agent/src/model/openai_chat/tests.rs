mod decoding;
mod encoding;
mod failing;
