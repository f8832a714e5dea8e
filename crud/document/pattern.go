package document

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
)

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
