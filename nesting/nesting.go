// Package nesting tells how deep a JSON text is, before anybody reads it: the memory and the
// stack that a value takes grow with its levels, and not only with its bytes.
package nesting

// Exceeds reports whether arrays and objects are nested in more than most levels in a JSON
// text. It allocates nothing and stops at the first level that is too deep. Of a text that is
// not JSON it says nothing but that what precedes the mistake is not deeper; decoders stop
// there.
func Exceeds[Text ~string | ~[]byte](text Text, most int) bool {
	var s Scanner
	return scan(&s, text, most)
}

// A Scanner does what [Exceeds] does with a text that comes in pieces. Its zero value is before
// the first. It is for one goroutine.
type Scanner struct {
	level             int
	inString, escaped bool // within a string, behind a backslash
}

// Exceeds reports whether the text is nested in more than most levels in its next piece.
func (s *Scanner) Exceeds(piece []byte, most int) bool { return scan(s, piece, most) }

func scan[Text ~string | ~[]byte](s *Scanner, text Text, most int) bool {
	level, i := s.level, 0
	if s.inString {
		if s.escaped && len(text) > 0 {
			i = 1
		}
		i = endOfString(s, text, i) + 1
	}
	for ; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if level++; level > most {
				return true
			}
		case '}', ']':
			level--
		case '"':
			i = endOfString(s, text, i+1)
		}
	}
	s.level = level
	return false
}

// endOfString returns where the quote is that ends the string whose text goes on at i.
func endOfString[Text ~string | ~[]byte](s *Scanner, text Text, i int) int {
	for ; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	s.inString, s.escaped = i >= len(text), i > len(text)
	return i
}
