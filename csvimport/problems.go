package csvimport

import (
	"fmt"
	"strings"
)

// problems are the first things found wrong at one place, and how many there are more.
type problems struct {
	found []string
	more  int
}

func (p *problems) add(problem string) {
	const most = 3 // a file may have many rows, all of them wrong
	if len(p.found) == most {
		p.more++
		return
	}
	p.found = append(p.found, problem)
}

// String returns the problems in one line, "" when there are none.
func (p *problems) String() string {
	s := strings.Join(p.found, "; ")
	if p.more > 0 {
		s += fmt.Sprintf("; and %d more", p.more)
	}
	return s
}

// count returns n things: "1 cell", "2 cells".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
