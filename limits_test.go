package main

import (
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fixedLimits are those of the README's table that have no variable: what they limit, and
// the constant in the program.
var fixedLimits = []struct{ limit, file, name string }{
	{"bytes of a body of login, refresh, or where else no key is asked for", "room.go", "smallBody"},
	{"bytes that must come of a larger body in a second, after the first, while others wait for its room", "room.go", "slowBody"},
	{"bytes of all headers that are still arriving, together", "connections.go", "maxArriving"},
	{"characters of a request's own `x-request-id`", "middleware.go", "maxRequestID"},
	{"how long an upload may stand still", "upload.go", "uploadPause"},
	{"bytes that must come of an upload in a second, after that time", "upload.go", "uploadRate"},
	{"columns of a CSV file", "csvimport/header.go", "maxColumns"},
	{"bytes of a name of a column", "csvimport/header.go", "maxColumnName"},
	{"bytes of a row", "csvimport/scanner.go", "maxRow"},
	{"bytes of the rows that are written together", "users/importprepare.go", "maxBatchBytes"},
	{"bytes of a filter of `PATCH /users/bulk` in a URL", "users/changefilter.go", "longestFilter"},
	{"bytes of a URL to the store", "crud/split.go", "maxURL"},
	{"bytes of an answer of the store", "crud/client.go", "maxAnswer"},
	{"bytes of an answer of the provider", "providers/auth0/transport.go", "maxAnswer"},
	{"bytes of an answer of Rönd or the Timer Service", "upstream/peer.go", "maxAnswer"},
	{"connections to the provider", "providers/auth0/transport.go", "connections"},
	{"connections to Rönd, and to the Timer Service", "grants.go", "neighbourConnections"},
	{"longest `Retry-After` that is believed", "upstream/retry.go", "maxRetryAfter"},
	{"callbacks of jobs at once", "jobs/deliver.go", "callbacksAtOnce"},
	{"bytes of a callback", "jobs/deliver.go", "maxCallback"},
	{"bytes that are read of the answer to a callback", "jobs/deliver.go", "maxReply"},
	{"time of one look at an upstream by a status route", "status_handlers.go", "checkTimeout"},
	{"levels of a group's schema", "crud/document/parse.go", "MaxDepth"},
}

// TestReadmeLimits holds the README's tables of limits against the settings and the
// constants in the program.
func TestReadmeLimits(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(readme(t), "\n### Limits\n")
	text, _, _ = strings.Cut(text, "\n### ")
	for _, group := range settings {
		for _, s := range group.settings {
			limit := group.heading == "Limits" || strings.Contains(s.name, "_MAX_") || strings.HasSuffix(s.name, "_CONCURRENCY") || strings.HasSuffix(s.name, "_TIMEOUT")
			if limit && !strings.Contains(text, "`"+s.name+"`") {
				t.Errorf("the tables of limits lack %s", s.name)
			}
		}
	}
	for _, fixed := range fixedLimits {
		row := "| " + fixed.limit + " | " + valueOf(t, fixed.file, fixed.name) + " | "
		if !strings.Contains(text, row) {
			t.Errorf("the table of limits that are the same everywhere lacks the row %s", row)
		}
	}
	_, table, _ := strings.Cut(text, "| ---: | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.SplitSeq(table, "\n") {
		limit := strings.Split(row, " | ")[0][len("| "):]
		if !slices.ContainsFunc(fixedLimits, func(l struct{ limit, file, name string }) bool { return l.limit == limit }) {
			t.Errorf("the table has %q, which no constant is known for", limit)
		}
	}
}

// units are the durations in constants.
var units = strings.NewReplacer("time.Hour", strconv.Itoa(int(time.Hour)), "time.Minute", strconv.Itoa(int(time.Minute)), "time.Second", strconv.Itoa(int(time.Second)))

// valueOf returns the value of a constant in a file, as the README has it.
func valueOf(t *testing.T, file, name string) string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^(?:\t|const )` + name + `\s+=\s+(.+?)(?:\s*//.*)?$`).FindSubmatch(source)
	if found == nil {
		t.Fatalf("%s has no constant %s", file, name)
	}
	expression := string(found[1])
	got, err := types.Eval(token.NewFileSet(), nil, token.NoPos, units.Replace(expression))
	if err != nil {
		t.Fatalf("%s: %s = %s: %v", file, name, expression, err)
	}
	n, _ := constant.Int64Val(constant.ToInt(got.Value))
	if strings.Contains(expression, "time.") {
		return time.Duration(n).String()
	}
	return withCommas(int(n))
}

// withCommas is a number as the README has it.
func withCommas(n int) string {
	value := strconv.Itoa(n)
	for i := len(value) - 3; i > 0; i -= 3 {
		value = value[:i] + "," + value[i:]
	}
	return value
}
