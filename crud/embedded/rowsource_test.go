package embedded

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestBlankReader(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"blanks between tokens":        {"[ \n\t {  \"a\" :\r\n1 } ]", "[ { \"a\" :\r1 } ]"},
		"blanks in a text":             {`["a  b"  ,  "  "]`, `["a  b" , "  "]`},
		"a quote in a text":            {`["a\"  b"  ]`, `["a\"  b" ]`},
		"a backslash at a text's end":  {`["a\\"   ]`, `["a\\" ]`},
		"numbers stay apart":           {"1   2", "1 2"},
		"a text that does not end":     {`"a   `, `"a   `},
		"nothing but blanks, and none": {"   ", " "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := io.ReadAll(&blankReader{in: bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.in)))})
			if err != nil || string(got) != c.want {
				t.Errorf("%q: got %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
}
