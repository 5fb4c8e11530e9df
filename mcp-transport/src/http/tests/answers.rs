//! What servers answer, well and badly.
