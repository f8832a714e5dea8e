package main

import (
	"cmp"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"user-manager/crud/embedded"
)

// readme returns the README's text.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A command is one of the README's, and what the README says it prints.
type command struct{ line, output string }

// consoleBlocks returns the commands of the README's console blocks in order.
func consoleBlocks(text string) []command {
	var commands []command
	blocks := strings.Split(text, "```console\n")[1:]
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		for line := range strings.Lines(block) {
			if rest, ok := strings.CutPrefix(line, "$ "); ok {
				commands = append(commands, command{line: strings.TrimSuffix(rest, "\n")})
				continue
			}
			last := &commands[len(commands)-1]
			if strings.HasSuffix(last.line, `\`) { // the command goes on
				last.line += "\n" + strings.TrimSuffix(line, "\n")
				continue
			}
			last.output += line
		}
	}
	return commands
}

// TestReadmeWalk runs the README's own commands against the built service, in order,
// and compares what they print with what the README shows. Ids, tokens and times are
// other ones in every run: where the README shows one, one is expected, the same for
// the same; and commands that name one are given that of this run. "..." is any text.
func TestReadmeWalk(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the service")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	t.Parallel()
	p := launch(t, build(t), newLasting(t).env...)
	host := strings.TrimPrefix(p.url, "http://")
	walk := &readmeRun{shown: map[string]string{"localhost:3000": host}}
	env := os.Environ()
	for _, c := range consoleBlocks(readme(t)) {
		if !strings.Contains(c.line, "curl ") {
			continue
		}
		line := walk.translate(c.line)
		variable := assignment.FindStringSubmatch(line)
		if variable != nil {
			line += `; printf %s "$` + variable[1] + `"`
		}
		sh := exec.CommandContext(t.Context(), "sh", "-c", line)
		sh.Env = env
		out, err := sh.CombinedOutput()
		if variable != nil { // later commands use it
			env = append(env, variable[1]+"="+string(out))
			continue
		}
		if err != nil {
			t.Fatalf("$ %s\n%v\n%s", c.line, err, out)
		}
		if !walk.match(strings.TrimSuffix(c.output, "\n"), strings.TrimSuffix(string(out), "\n")) {
			t.Fatalf("$ %s\ngot:\n%s\nthe README shows:\n%s", c.line, out, c.output)
		}
	}
}

// readmeRun knows which value of this run stands for which that the README shows.
type readmeRun struct{ shown map[string]string }

// assignment is a command that keeps what it prints in a variable.
var assignment = regexp.MustCompile(`^(\w+)=\$\(`)

// varies is what differs from run to run.
var varies = regexp.MustCompile(`\.\.\.|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|eyJ[\w-]+\.[\w-]+\.[\w-]+|[0-9a-f]{24}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} UTC|localhost:3000|[\w-]{43}`)

// match holds what was printed against what is shown, and learns the values of this
// run.
func (r *readmeRun) match(shown, printed string) bool {
	pattern, names := "", []string{}
	rest := shown
	for _, at := range varies.FindAllStringIndex(shown, -1) {
		from := len(shown) - len(rest)
		pattern += regexp.QuoteMeta(shown[from:at[0]]) + `([^"]*?)`
		names = append(names, shown[at[0]:at[1]])
		rest = shown[at[1]:]
	}
	found := regexp.MustCompile(`^(?s)` + pattern + regexp.QuoteMeta(rest) + `$`).FindStringSubmatch(printed)
	if found == nil {
		return false
	}
	for i, name := range names {
		is := found[i+1]
		isTime := strings.Contains(name, ":") && name != "localhost:3000"
		if was, known := r.shown[name]; known && was != is && !isTime && name != "..." {
			return false
		}
		r.shown[name] = is
	}
	return true
}

// translate puts the values of this run into a command of the README.
func (r *readmeRun) translate(line string) string {
	names := make([]string, 0, len(r.shown))
	for name := range r.shown {
		if name != "..." {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the longest first
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, name, r.shown[name])
	}
	return strings.NewReplacer(pairs...).Replace(line)
}

// TestReadmeSettings holds the README's table of settings against the one in the
// program.
func TestReadmeSettings(t *testing.T) {
	t.Parallel()
	text := readme(t)
	for _, s := range settings {
		standard := s.standard
		if standard != "" {
			standard = "`" + standard + "`"
		}
		row := "| `" + s.name + "` | " + standard + " | " + s.meaning + " |"
		if !strings.Contains(text, strings.ReplaceAll(row, "|  |", "| |")) {
			t.Errorf("the README lacks the row\n%s", strings.ReplaceAll(row, "|  |", "| |"))
		}
	}
	known := func(name string) bool {
		return slices.ContainsFunc(settings, func(s setting) bool { return s.name == name })
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|").FindAllStringSubmatch(text, -1) {
		if !known(row[1]) {
			t.Errorf("the README has a setting %s that there is not", row[1])
		}
	}
}

// TestReadmeOfTheStore holds what the README says the embedded store leaves out and
// limits against what it does.
func TestReadmeOfTheStore(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(readme(t), "`", "")
	for _, left := range embedded.LeftOut() {
		if !strings.Contains(text, "\n- "+left+"\n") {
			t.Errorf("the README does not list %q as left out", left)
		}
	}
	for _, limit := range embedded.Limits() {
		value := strconv.Itoa(limit.Value)
		for i := len(value) - 3; i > 0; i -= 3 {
			value = value[:i] + "," + value[i:]
		}
		row := "| " + strings.ReplaceAll(limit.Name, "`", "") + " | " + value + " |"
		if !strings.Contains(text, row) {
			t.Errorf("the README lacks the row %s", row)
		}
	}
}
