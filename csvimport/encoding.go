package csvimport

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A textEncoding is how the characters of a file are written.
type textEncoding struct {
	name    string
	armor   func(io.Reader) io.Reader // decodes bytes that are written as letters; nil when they are not
	decoder encoding.Encoding         // nil when the bytes are UTF-8 as they are
	valid   func([]byte) bool         // whether decoded text was valid before
}

var (
	utf8Text = textEncoding{name: "utf8", valid: utf8.Valid}
	utf16le  = decoded("utf16le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM))
	utf16be  = decoded("utf-16be", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM))
	latin1   = decoded("latin1", charmap.ISO8859_1)
)

// nodeEncodings are the names that Node.js knows. They come before those of the WHATWG,
// where latin1 and ascii are names of windows-1252.
var nodeEncodings = map[string]textEncoding{
	"":          utf8Text,
	"utf8":      utf8Text,
	"utf-8":     utf8Text,
	"utf16le":   utf16le,
	"utf-16le":  utf16le,
	"ucs2":      utf16le,
	"ucs-2":     utf16le,
	"latin1":    latin1,
	"binary":    latin1,
	"ascii":     {name: "ascii", valid: isASCII},
	"base64":    {name: "base64", armor: base64Text, valid: utf8.Valid},
	"base64url": {name: "base64url", armor: base64Text, valid: utf8.Valid},
	"hex":       {name: "hex", armor: hexText, valid: utf8.Valid},
}

// encodingNamed returns the encoding with the given name and whether there is one. The
// "replacement" of the WHATWG is none: it decodes nothing.
func encodingNamed(name string) (textEncoding, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if e, ok := nodeEncodings[name]; ok {
		return e, true
	}
	e, err := htmlindex.Get(name)
	if err != nil || e == nil || e == encoding.Replacement {
		return textEncoding{}, false
	}
	if e == unicode.UTF8 {
		return utf8Text, true
	}
	if canonical, err := htmlindex.Name(e); err == nil {
		name = canonical
	}
	return decoded(name, e), true
}

// decoded returns an encoding whose decoder puts the replacement character where bytes
// are not valid.
func decoded(name string, e encoding.Encoding) textEncoding {
	return textEncoding{name: name, decoder: e, valid: hasNoReplacement}
}

var replacement = []byte(string(utf8.RuneError))

func hasNoReplacement(text []byte) bool { return !bytes.Contains(text, replacement) }

func isASCII(text []byte) bool {
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// boms are the byte order marks. One of them decides, whatever encoding was asked for.
var boms = []struct {
	mark     string
	encoding textEncoding
}{
	{"\xef\xbb\xbf", utf8Text},
	{"\xff\xfe", utf16le},
	{"\xfe\xff", utf16be},
}

// decode returns the text that r holds in the encoding e, as UTF-8 without byte order
// mark, and the encoding that it turned out to be in.
func decode(r io.Reader, e textEncoding) (io.Reader, textEncoding) {
	if e.armor != nil {
		r = e.armor(r)
	}
	head, err := readHead(r, 3)
	for _, bom := range boms {
		if bytes.HasPrefix(head, []byte(bom.mark)) {
			head, e = head[len(bom.mark):], bom.encoding
			break
		}
	}
	if err != nil {
		r = failingReader{err}
	}
	r = io.MultiReader(bytes.NewReader(head), r)
	if e.decoder != nil {
		r = transform.NewReader(r, e.decoder.NewDecoder())
	}
	return r, e
}

// readHead reads n bytes of r, less only with an error. Unlike io.ReadFull it returns r's
// error as it is.
func readHead(r io.Reader, n int) ([]byte, error) {
	head := make([]byte, 0, n)
	for range maxEmptyReads {
		got, err := r.Read(head[len(head):n])
		head = head[:len(head)+got]
		if err != nil || len(head) == n {
			return head, err
		}
	}
	return head, io.ErrNoProgress
}

// A failingReader has nothing but the error that its source ended with.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// base64Text decodes base64 with either alphabet, as Node.js does.
func base64Text(r io.Reader) io.Reader {
	letters := &letterReader{source: r, letter: base64Letter}
	return &armorReader{base64.NewDecoder(base64.RawStdEncoding, letters), letters, "base64"}
}

func base64Letter(b byte) byte {
	switch b {
	case '-':
		return '+'
	case '_':
		return '/'
	}
	return b
}

// hexText decodes hexadecimal digits.
func hexText(r io.Reader) io.Reader {
	letters := &letterReader{source: r, letter: func(b byte) byte { return b }}
	return &armorReader{hex.NewDecoder(letters), letters, "hex"}
}

// An armorReader decodes what source reads, and tells the source's errors from those that
// mean that it is not encoded as was said.
type armorReader struct {
	decoded io.Reader
	source  *letterReader
	name    string
}

func (r *armorReader) Read(p []byte) (int, error) {
	n, err := r.decoded.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	if r.source.err != nil && r.source.err != io.EOF {
		return n, r.source.err
	}
	return n, &Error{partEncoding, "the file is not written in " + r.name}
}

var errNoLetters = errors.New("no letters")

// A letterReader leaves out white space and the padding at the end.
type letterReader struct {
	source io.Reader
	letter func(byte) byte
	padded bool
	err    error // what source ended with
}

func (r *letterReader) Read(p []byte) (int, error) {
	for {
		n, err := r.source.Read(p)
		if err != nil {
			r.err = err
		}
		kept, wrong := r.keep(p[:n])
		if kept > 0 || n == 0 || err != nil || wrong != nil {
			return kept, cmp.Or(wrong, err)
		}
	}
}

// keep moves the letters to the front of p and returns how many there are.
func (r *letterReader) keep(p []byte) (int, error) {
	kept := p[:0]
	for _, b := range p {
		switch {
		case b == ' ' || '\t' <= b && b <= '\r':
		case b == '=':
			r.padded = true
		case r.padded:
			return len(kept), errNoLetters // letters after the padding
		default:
			kept = append(kept, r.letter(b))
		}
	}
	return len(kept), nil
}
