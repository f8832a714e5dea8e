package document

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
)

// MaxPattern is how many bytes a regular expression may have, and maxProgram how many
// instructions it is compiled to, with those of all others of the same query: few bytes,
// such as (.?){1000} again and again, can stand for gigabytes, and each character of a text
// may meet every instruction.
const (
	MaxPattern = 8 << 10
	maxProgram = 10_000
)

// CheckPattern refuses a regular expression that costs too much to compile, or to match. It
// compiles nothing.
func CheckPattern(pattern string) error {
	if len(pattern) > MaxPattern {
		return fmt.Errorf("is longer than %d bytes", MaxPattern)
	}
	return checkProgram(sizeOf(pattern))
}

func checkProgram(size int) error {
	if size > maxProgram {
		return fmt.Errorf("comes to %d steps or more when its repetitions are written out; %[2]d are allowed", maxProgram+1, maxProgram)
	}
	return nil
}

// sizeOf is about how many instructions an expression is compiled to, and how many ranges of
// characters they know; 0 for one that is none. What is beyond maxProgram is not counted
// out.
func sizeOf(pattern string) int {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	ranges := 0
	return min(instructions(parsed, &ranges), maxProgram+1) + min(ranges, maxProgram+1)
}

// instructions counts as package syntax compiles. Ranges are shared by all repetitions.
func instructions(re *syntax.Regexp, ranges *int) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		*ranges += len(re.Rune) / 2
	case syntax.OpCapture, syntax.OpStar:
		n = 2
	case syntax.OpAlternate:
		n = len(re.Sub)
	case syntax.OpRepeat:
		n = max(re.Min, re.Max, 1)
		return min(n*(1+instructions(re.Sub[0], ranges)), maxProgram+1)
	}
	for _, sub := range re.Sub {
		n = min(n+instructions(sub, ranges), maxProgram+1)
	}
	return n
}

// patternsOf adds up the sizes of all expressions in a query.
func patternsOf(query any) (size int) {
	switch v := query.(type) {
	case []any:
		for _, item := range v {
			size += patternsOf(item)
		}
	case map[string]any:
		for key, item := range v {
			if pattern, ok := item.(string); ok && key == string(Regex) && len(pattern) <= MaxPattern {
				size += sizeOf(pattern)
			} else {
				size += patternsOf(item)
			}
		}
	}
	return size
}

// beyondRE2 are the beginnings of what RE2 refuses, since it cannot be matched in
// linear time.
var beyondRE2 = []struct{ start, name string }{
	{"(?=", "a look-ahead"}, {"(?!", "a look-ahead"}, {"(?<=", "a look-behind"}, {"(?<!", "a look-behind"},
	{"(?>", "an atomic group"}, {"(?(", "a condition"}, {`\k`, "a backreference"}, {`\g`, "a backreference"},
}

// patternError says what is wrong with a regular expression, and of what RE2 cannot
// express which it is.
func patternError(err error) error {
	bad, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return fmt.Errorf("$regex is invalid: %w", err)
	}
	for _, b := range beyondRE2 {
		if strings.HasPrefix(bad.Expr, b.start) {
			return notExpressible(b.name, b.start)
		}
	}
	switch {
	case bad.Code == syntax.ErrInvalidEscape && len(bad.Expr) == 2 && bad.Expr[1] >= '1' && bad.Expr[1] <= '9':
		return notExpressible("a backreference", bad.Expr)
	case bad.Code == syntax.ErrInvalidRepeatOp && strings.HasSuffix(bad.Expr, "+"):
		return notExpressible("a possessive repetition", bad.Expr)
	case bad.Code == syntax.ErrInvalidRepeatSize, bad.Code == syntax.ErrLarge:
		return fmt.Errorf("$regex is too large for RE2, in which expressions match in linear time: %w", err)
	}
	return fmt.Errorf("$regex is invalid: %w", err)
}

func notExpressible(what, text string) error {
	return fmt.Errorf("$regex has %s (%s), which RE2 cannot express: expressions here match in linear time", what, text)
}
