package document

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// AppendJSON appends the text of a value, as JSON.stringify writes it, with the keys
// of objects in sorted order.
func AppendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case float64:
		return appendNumber(dst, v)
	case string:
		return appendText(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendText(dst, key), ':')
			dst = AppendJSON(dst, v[key])
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// appendNumber writes a number as JavaScript does.
func appendNumber(dst []byte, f float64) []byte {
	if f-f != 0 {
		return append(dst, "null"...)
	}
	if f == 0 {
		return append(dst, '0')
	}
	abs := max(f, -f)
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' { // e-09 is e-9
		dst = append(dst[:n-2], dst[n-1])
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		if at := strings.IndexByte(escapeRunes, c); at >= 0 {
			dst = append(dst, '\\', escapes[at])
			continue
		}
		dst = append(dst, `\u00`...)
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
