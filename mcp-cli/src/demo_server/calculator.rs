//! Arithmetic: whole numbers exactly as long as they fit, else floating point.

use std::fmt;

/// The longest expression, in bytes.
const MAX_BYTES: usize = 10_000;
/// How deep parentheses, signs and powers may be nested.
const MAX_DEPTH: usize = 100;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Exact.
    Whole(i128),
    /// About 15 digits.
    Float(f64),
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CalculationError {
    #[error("the expression is empty")]
    Empty,
    #[error("the expression is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("the expression is nested too deep")]
    TooDeep,
    #[error("expected {expected} at position {position}, found {found}")]
    Unexpected { expected: &'static str, position: usize, found: String },
    #[error("division by zero")]
    DivisionByZero,
    #[error("the result is not a finite real number")]
    NotFinite,
}

/// The value of an expression.
pub(super) fn calculate(expression: &str) -> Result<Number, CalculationError> {
    if expression.trim().is_empty() {
        return Err(CalculationError::Empty);
    }
    if expression.len() > MAX_BYTES {
        return Err(CalculationError::TooLong);
    }
    let mut parser = Parser { text: expression, at: 0, depth: 0 };
    let value = parser.sum()?;
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.unexpected("an operator or the end")),
    }
}

/// Recursive descent, one method for each level of precedence.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, tokens: &[&'static str]) -> Option<&'static str> {
        self.peek()?;
        let rest = &self.text[self.at..];
        let token = tokens.iter().find(|token| rest.starts_with(**token))?;
        self.at += token.len();
        Some(token)
    }

    fn unexpected(&mut self, expected: &'static str) -> CalculationError {
        let found = match self.peek() {
            Some(c) => format!("`{c}`"),
            None => "the end".to_owned(),
        };
        let position = self.text[..self.at].chars().count() + 1;
        CalculationError::Unexpected { expected, position, found }
    }

    fn sum(&mut self) -> Result<Number, CalculationError> {
        let mut value = self.product()?;
        while let Some(sign) = self.take(&["+", "-", "−"]) {
            let right = self.product()?;
            value = if sign == "+" { add(value, right)? } else { add(value, negate(right)?)? };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<Number, CalculationError> {
        let mut value = self.signed()?;
        while let Some(sign) = self.take(&["*", "×", "·", "/", "÷"]) {
            let right = self.signed()?;
            value = if matches!(sign, "/" | "÷") {
                divide(value, right)?
            } else {
                multiply(value, right)?
            };
        }
        Ok(value)
    }

    /// A sign binds weaker than a power: `-2^2` is `-4`.
    fn signed(&mut self) -> Result<Number, CalculationError> {
        match self.take(&["+", "-", "−"]) {
            Some("+") => self.deeper(Self::signed),
            Some(_) => negate(self.deeper(Self::signed)?),
            None => self.power(),
        }
    }

    /// Powers group from the right: `2^3^2` is `2^9`.
    fn power(&mut self) -> Result<Number, CalculationError> {
        let base = self.atom()?;
        match self.take(&["^", "**"]) {
            Some(_) => power(base, self.deeper(Self::signed)?),
            None => Ok(base),
        }
    }

    fn atom(&mut self) -> Result<Number, CalculationError> {
        if self.take(&["("]).is_some() {
            let value = self.deeper(Self::sum)?;
            return match self.take(&[")"]) {
                Some(_) => Ok(value),
                None => Err(self.unexpected("`)`")),
            };
        }
        match self.peek() {
            Some('0'..='9' | '.') => self.number(),
            _ => Err(self.unexpected("a number")),
        }
    }

    fn number(&mut self) -> Result<Number, CalculationError> {
        let rest = &self.text[self.at..];
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(rest);
        if rest[end..].starts_with('.') {
            end += 1 + digits(&rest[end + 1..]);
        }
        if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
            let sign = usize::from(exponent.starts_with(['+', '-']));
            let count = digits(&exponent[sign..]);
            if count > 0 {
                end += 1 + sign + count;
            }
        }
        let text = &rest[..end];
        let value = match text.parse() {
            Ok(whole) => Number::Whole(whole),
            Err(_) => match text.parse() {
                Ok(float) => finite(float)?,
                Err(_) => return Err(self.unexpected("a number")),
            },
        };
        self.at += end;
        Ok(value)
    }

    fn deeper(
        &mut self,
        parse: fn(&mut Self) -> Result<Number, CalculationError>,
    ) -> Result<Number, CalculationError> {
        if self.depth == MAX_DEPTH {
            return Err(CalculationError::TooDeep);
        }
        self.depth += 1;
        let value = parse(self);
        self.depth -= 1;
        value
    }
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "beyond exact numbers, about 15 digits count")]
    fn as_float(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }
}

fn finite(float: f64) -> Result<Number, CalculationError> {
    if float.is_finite() { Ok(Number::Float(float)) } else { Err(CalculationError::NotFinite) }
}

/// Calculates exactly where both are whole and the result fits, else in floating point.
fn combine(
    left: Number,
    right: Number,
    exact: fn(i128, i128) -> Option<i128>,
    about: fn(f64, f64) -> f64,
) -> Result<Number, CalculationError> {
    if let (Number::Whole(left), Number::Whole(right)) = (left, right)
        && let Some(whole) = exact(left, right)
    {
        return Ok(Number::Whole(whole));
    }
    finite(about(left.as_float(), right.as_float()))
}

fn add(left: Number, right: Number) -> Result<Number, CalculationError> {
    combine(left, right, i128::checked_add, |left, right| left + right)
}

fn multiply(left: Number, right: Number) -> Result<Number, CalculationError> {
    combine(left, right, i128::checked_mul, |left, right| left * right)
}

fn negate(value: Number) -> Result<Number, CalculationError> {
    multiply(value, Number::Whole(-1))
}

fn divide(left: Number, right: Number) -> Result<Number, CalculationError> {
    if right.as_float() == 0.0 {
        return Err(CalculationError::DivisionByZero);
    }
    let exact = |left: i128, right: i128| match left.checked_rem(right) {
        Some(0) => left.checked_div(right),
        _ => None,
    };
    combine(left, right, exact, |left, right| left / right)
}

fn power(base: Number, exponent: Number) -> Result<Number, CalculationError> {
    if base.as_float() == 0.0 && exponent.as_float() < 0.0 {
        return Err(CalculationError::DivisionByZero);
    }
    let exact = |base: i128, exponent: i128| base.checked_pow(u32::try_from(exponent).ok()?);
    combine(base, exponent, exact, f64::powf)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Float(float) => {
                // Fifteen digits are what floating point can promise: 0.1 + 0.2 is 0.3.
                let rounded: f64 = format!("{float:.14e}").parse().unwrap_or(float);
                let size = rounded.abs();
                if rounded != 0.0 && !(1e-6..1e21).contains(&size) {
                    write!(f, "{rounded:e}")
                } else {
                    write!(f, "{rounded}")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calculates() {
        for (expression, want) in [
            ("17 * 23", "391"),
            ("2 * (3 + 4)", "14"),
            ("2 + 3 * 4 - 5", "9"),
            ("-2^2", "-4"),
            ("(-2)^2", "4"),
            ("2^3^2", "512"),
            ("2**10", "1024"),
            ("2^-1", "0.5"),
            ("7 / 2", "3.5"),
            ("8 / 2", "4"),
            ("0.1 + 0.2", "0.3"),
            ("1e3", "1000"),
            (".5 + 1.", "1.5"),
            ("--3", "3"),
            ("3 × 4 ÷ 2", "6"),
            ("5 − 7", "-2"),
            ("2^100", "1267650600228229401496703205376"),
            ("2^200", "1.60693804425899e60"),
            ("9007199254740993 + 0", "9007199254740993"),
            ("1 / 3", "0.333333333333333"),
            ("1e-9", "1e-9"),
        ] {
            assert_eq!(calculate(expression).unwrap().to_string(), want, "{expression}");
        }
    }

    #[test]
    fn says_where_it_went_wrong() {
        for (expression, want) in [
            ("", "the expression is empty"),
            ("2 +", "expected a number at position 4, found the end"),
            ("2 + x", "expected a number at position 5, found `x`"),
            ("(2 + 3", "expected `)` at position 7, found the end"),
            ("2 3", "expected an operator or the end at position 3, found `3`"),
            ("1 / (2 - 2)", "division by zero"),
            ("0^-1", "division by zero"),
            ("(-1)^0.5", "the result is not a finite real number"),
            ("10^400", "the result is not a finite real number"),
            (".", "expected a number at position 1, found `.`"),
        ] {
            assert_eq!(calculate(expression).unwrap_err().to_string(), want, "{expression}");
        }
        let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(4000));
        assert_eq!(calculate(&deep), Err(CalculationError::TooDeep));
        assert_eq!(calculate(&"-".repeat(5000)), Err(CalculationError::TooDeep));
        assert_eq!(calculate(&"1+".repeat(9000)), Err(CalculationError::TooLong));
    }
}
