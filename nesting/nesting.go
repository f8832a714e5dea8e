// Package nesting tells how deep a JSON text is, before anybody reads it: the memory and the
// stack that a value takes grow with its levels, and not only with its bytes.
package nesting

// Exceeds reports whether arrays and objects are nested in more than most levels in a JSON
// text. It allocates nothing and stops at the first level that is too deep. Of a text that is
// not JSON it says nothing but that what precedes the mistake is not deeper; decoders stop
// there.
func Exceeds[Text ~string | ~[]byte](text Text, most int) bool {
	level := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if level++; level > most {
				return true
			}
		case '}', ']':
			level--
		case '"':
			i = endOfString(text, i+1)
		}
	}
	return false
}

// endOfString returns where the quote is that ends the string whose text begins at i.
func endOfString[Text ~string | ~[]byte](text Text, i int) int {
	for ; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}
