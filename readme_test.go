package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

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

// TestReadmeWalk runs the README's own commands against the service, in order, and compares
// what they print with what the README shows. Ids, tokens and times are other ones in every
// run: where the README shows one, one is expected, the same for the same; and commands that
// name one are given that of this run. "..." is any text. The service's clock is not this
// machine's: it goes on when a command says sleep.
func TestReadmeWalk(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	t.Parallel()
	service := newBubbled()
	server := httptest.NewServer(service)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	walk := &readmeRun{ctx: t.Context(), service: service, env: os.Environ(), shown: map[string]string{"localhost:3000": host}}
	before, _, after := accessSection(t)
	commands, walked := consoleBlocks(before+after), make(chan error, 1)
	go func() {
		defer close(service.tasks)
		walked <- walk.all(commands)
	}()
	service.run(t, map[string]string{"RANDOM_PWD_GEN": "true"})
	if err := <-walked; err != nil {
		t.Error(err)
	}
}

// accessSection returns the README's section about keys, and what stands before and after it.
func accessSection(t *testing.T) (before, section, after string) {
	t.Helper()
	before, rest, found := strings.Cut(readme(t), "### Access\n")
	section, after, ended := strings.Cut(rest, "### Limits\n")
	if !found || !ended {
		t.Fatal("the README has no section about access")
	}
	return before, section, after
}

// TestReadmeAccess runs the commands of the section about keys against a service that has
// some, as TestReadmeWalk does those of the others.
func TestReadmeAccess(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys-of-the-test")
	service := newBubbled()
	server := httptest.NewServer(service)
	defer server.Close()
	walk := &readmeRun{ctx: t.Context(), service: service, env: os.Environ(), shown: map[string]string{
		"localhost:3000": strings.TrimPrefix(server.URL, "http://"), "api-keys": keys,
	}}
	_, section, _ := accessSection(t)
	commands := consoleBlocks(section)
	if len(commands) == 0 || !strings.HasSuffix(commands[0].line, "> api-keys") {
		t.Fatalf("the first command is no key: %v", commands)
	}
	if err := walk.run(commands[0]); err != nil { // before the service starts
		t.Fatal(err)
	}
	walked := make(chan error, 1)
	go func() {
		defer close(service.tasks)
		walked <- walk.all(commands[1:])
	}()
	service.run(t, map[string]string{"API_KEYS_FILE": keys})
	if err := <-walked; err != nil {
		t.Error(err)
	}
}

// readmeRun knows which value of this run stands for which that the README shows.
type readmeRun struct {
	ctx     context.Context
	service *bubbled
	env     []string // of the commands
	shown   map[string]string
}

// all runs the commands that are for the service, until one does not print what is shown.
func (r *readmeRun) all(commands []command) error {
	for _, c := range commands {
		var err error
		if pause, ok := strings.CutPrefix(c.line, "sleep "); ok {
			err = r.sleep(pause)
		} else if strings.HasPrefix(c.line, "pkill -HUP") {
			err = r.service.do(func(h *harness) { h.api.access.reload(r.ctx) })
		} else if strings.Contains(c.line, "curl ") || strings.HasPrefix(c.line, "head ") {
			err = r.run(c)
		}
		if err != nil {
			return fmt.Errorf("$ %s\n%w", c.line, err)
		}
	}
	return nil
}

func (r *readmeRun) sleep(seconds string) error {
	d, err := time.ParseDuration(seconds + "s")
	if err != nil {
		return err
	}
	return r.service.pass(d)
}

func (r *readmeRun) run(c command) error {
	line, err := r.dated(r.translate(c.line))
	if err != nil {
		return err
	}
	variable := assignment.FindStringSubmatch(line)
	if variable != nil {
		line += `; printf %s "$` + variable[1] + `"`
	}
	sh := exec.CommandContext(r.ctx, "sh", "-c", line)
	sh.Env = r.env
	out, err := sh.CombinedOutput()
	switch {
	case err != nil:
		return fmt.Errorf("%w\n%s", err, out)
	case variable != nil: // later commands use it
		r.env = append(r.env, variable[1]+"="+string(out))
	case !r.match(strings.TrimSuffix(c.output, "\n"), strings.TrimSuffix(string(out), "\n")):
		return fmt.Errorf("got:\n%s\nthe README shows:\n%s", out, c.output)
	}
	return nil
}

// fromNow is how a command asks for a date to come.
var fromNow = regexp.MustCompile(`date -u -d '\+([0-9]+) seconds'`)

// dated has dates of a command be told by the service's clock.
func (r *readmeRun) dated(line string) (string, error) {
	asked := fromNow.FindStringSubmatch(line)
	if asked == nil {
		return line, nil
	}
	now, err := r.service.now()
	if err != nil {
		return "", err
	}
	seconds, err := strconv.ParseInt(asked[1], 10, 64)
	if err != nil {
		return "", err
	}
	return fromNow.ReplaceAllString(line, "date -u -d @"+strconv.FormatInt(now.Unix()+seconds, 10)), nil
}

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
// program; -update writes it.
func TestReadmeSettings(t *testing.T) {
	t.Parallel()
	const head = "| Variable | Default | Meaning |\n| --- | --- | --- |\n"
	text := readme(t)
	before, rest, found := strings.Cut(text, head)
	table, after, ended := strings.Cut(rest, "\n\n")
	if !found || !ended {
		t.Fatal("the README has no table of settings")
	}
	want := strings.TrimSuffix(settingsTable(), "\n")
	if *update {
		if err := os.WriteFile("README.md", []byte(before+head+want+"\n\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(strings.Split(want, "\n"), strings.Split(table, "\n")); diff != "" {
		t.Errorf("the README's table of settings differs (go test -run TestReadmeSettings -update writes it):\n%s", diff)
	}
}

// settingsTable is the rows of the README's table.
func settingsTable() string {
	var rows strings.Builder
	for _, group := range settings {
		fmt.Fprintf(&rows, "| **%s** | | |\n", group.heading)
		for _, s := range group.settings {
			standard := "| "
			if s.standard != "" {
				standard = "| `" + s.standard + "` "
			}
			fmt.Fprintf(&rows, "| `%s` %s| %s |\n", s.name, standard, s.meaning)
		}
	}
	return rows.String()
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
		row := "| " + strings.ReplaceAll(limit.Name, "`", "") + " | " + withCommas(limit.Value) + " |"
		if !strings.Contains(text, row) {
			t.Errorf("the README lacks the row %s", row)
		}
	}
}
