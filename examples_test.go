package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// header is that of the files of these tests.
const header = "userGroup,username,email,name\n"

// manyRows is a file of n customers, with its header.
func manyRows(n int) string {
	var b strings.Builder
	b.WriteString(header)
	for i := range n {
		fmt.Fprintf(&b, "customers,,user-%d@example.com,Name %d\n", i, i)
	}
	return b.String()
}

// TestBulkScript runs examples/bulk.sh against the built service.
func TestBulkScript(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the service")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	t.Parallel()
	binary := build(t)
	for name, c := range map[string]struct {
		file     string // "": that of the examples
		args     string
		env      string
		exit     int
		out      string
		says     string // on standard error
		users    int
		mailed   []string
		accounts int
	}{
		"the sample file": {
			args: "--delimiter ;",
			out:  "Import: 4 inserted, 0 updated, 0 invalid\nActivation: 4 accounts made, 0 brought up to date, 0 failed\nMails: 4 sent, 0 failed\n",
			says: "Activation: 4 of 4\n", users: 4, accounts: 4,
			mailed: []string{"bo@example.com", "cy@example.com", "dee@example.com", "eli@example.com"},
		},
		"a dry run": {
			args: "--delimiter ; --dry-run",
			out:  "Import, dry run: 4 to be inserted, 0 to be updated, 0 invalid\n",
		},
		"more users than one URL names": {
			file: manyRows(250),
			out:  "Import: 250 inserted, 0 updated, 0 invalid\nActivation: 250 accounts made, 0 brought up to date, 0 failed\nMails: 250 sent, 0 failed\n",
			says: "Mails: 250 of 250\n", users: 250, accounts: 250,
		},
		"wrong rows": {
			file: header + "customers,,ann@example.com,Ann\ncustomers,,,Bo\nnobody,,cy@example.com,Cy\nstaff,dee,dee@example.com,Dee\ncustomers,,ann@example.com,Other\n,,,Eve\n",
			exit: 3,
			out: `Import: 1 inserted, 0 updated, 5 invalid
  row 3: Skipping record: invalid json schema, Required property 'email' is missing
  row 4: Skipping record: userGroup: there is no such group
  row 5: Skipping record: invalid json schema, Required property 'surname' is missing
  row 6: Skipping record: email: another user has this value
  row 7: Skipping record: userGroup missing on csv record
Activation: 1 accounts made, 0 brought up to date, 0 failed
Mails: 1 sent, 0 failed
`,
			users: 1, accounts: 1, mailed: []string{"ann@example.com"},
		},
		"a dry run of wrong rows": {
			file: header + "customers,,ann@example.com,Ann\nnobody,,cy@example.com,Cy\n", args: "--dry-run", exit: 3,
			out: "Import, dry run: 1 to be inserted, 0 to be updated, 1 invalid\n  row 3: Skipping record: userGroup: there is no such group\n",
		},
		"users who get no account, and some without an address": {
			file: header + "contacts,,con@example.com,Con\ncontacts,,,Cora\ncustomers,,ann@example.com,Ann\n", exit: 3,
			out: `Import: 3 inserted, 0 updated, 0 invalid
Activation: 1 accounts made, 0 brought up to date, 2 failed
  user <id>: AUTH_USER_CREATION_DISABLED: Users of this group get no account
  user <id>: AUTH_USER_CREATION_DISABLED: Users of this group get no account
Mails: 1 sent, 0 failed
`,
			users: 3, accounts: 1, mailed: []string{"ann@example.com"},
		},
		"nobody is activated": {
			file: header + "contacts,,con@example.com,Con\n", exit: 3,
			out: "Import: 1 inserted, 0 updated, 0 invalid\nActivation: 0 accounts made, 0 brought up to date, 1 failed\n" +
				"  user <id>: AUTH_USER_CREATION_DISABLED: Users of this group get no account\n",
			users: 1,
		},
		"a file in another encoding with another escape": {
			file: header + `customers,,ann@example.com,"Zo\" ` + "\xeb\"\n", args: `--encoding latin1 --escape \`,
			out:  "Import: 1 inserted, 0 updated, 0 invalid\nActivation: 1 accounts made, 0 brought up to date, 0 failed\nMails: 1 sent, 0 failed\n",
			says: "Mails: 1 of 1\n", users: 1, accounts: 1, mailed: []string{"ann@example.com"},
		},
		"a file that is too large": {
			env: "USER_IMPORT_MAX_BYTES=10", exit: 1, says: "status 413: file: must not be larger than 10 bytes\nbulk.sh: import failed\n",
		},
		"a delimiter of two characters": {
			args: "--delimiter ab", exit: 1, says: "status 400: delimiter: must be one character\nbulk.sh: import failed\n",
		},
		"a file without anything": {
			file: "\n", exit: 1, says: "bulk.sh: import failed\n",
		},
		"no place in the queue": {
			file: manyRows(1), env: "JOBS_MAX_BODY_BYTES=10", exit: 1, out: "Import: 1 inserted, 0 updated, 0 invalid\n",
			says: "bulk.sh: activation failed\n", users: 1,
		},
		"an option that there is not": {args: "--dry", exit: 2, says: "--dry: there is no such option\n"},
		"a second file":               {args: "users.csv", exit: 2, says: "only one file\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("examples", "users.csv")
			if c.file != "" {
				file = write(t, c.file)
			}
			p := launch(t, binary, append(newLasting(t).env, "AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND=1000", c.env)...)
			out, says, exit := bulk(t, append(strings.Fields(c.args), "--base", p.url, file)...)
			if diff := cmp.Diff(c.out, anyID(out)); diff != "" || exit != c.exit || !strings.Contains(says, c.says) {
				t.Errorf("exit %d, want %d; output (-want +got):\n%s\nstandard error, want %q:\n%s", exit, c.exit, diff, c.says, says)
			}
			checkBulk(t, p, c.users, c.accounts, c.mailed)
		})
	}
}

// TestBulkScriptGoesOn activates users by the ids that the script kept when an earlier
// run of it ended early.
func TestBulkScriptGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the service")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	t.Parallel()
	binary, store := build(t), newLasting(t)
	p := launch(t, binary, append(store.env, "JOBS_MAX_BODY_BYTES=10")...)
	_, says, exit := bulk(t, "--base", p.url, write(t, manyRows(3)))
	_, rest, found := strings.Cut(says, "go on with: bulk.sh --base "+p.url+" --ids ")
	if exit != 1 || !found {
		t.Fatalf("exit %d, want 1 and a file with ids:\n%s", exit, says)
	}
	ids := strings.TrimSpace(rest)
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // killed
	p = launch(t, binary, append(store.env, "AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND=1000")...)
	out, says, exit := bulk(t, "--base", p.url, "--ids", ids)
	want := "Activation: 3 accounts made, 0 brought up to date, 0 failed\nMails: 3 sent, 0 failed\n"
	if diff := cmp.Diff(want, out); diff != "" || exit != 0 {
		t.Errorf("exit %d, output (-want +got):\n%s\n%s", exit, diff, says)
	}
	checkBulk(t, p, 3, 3, nil)
	out, _, exit = bulk(t, "--base", p.url, "--ids", ids)
	want = "Activation: 0 accounts made, 3 brought up to date, 0 failed\nMails: 3 sent, 0 failed\n"
	if diff := cmp.Diff(want, out); diff != "" || exit != 0 {
		t.Errorf("once more: exit %d, output (-want +got):\n%s", exit, diff)
	}
}

// TestBulkScriptOutlivesTheService kills the service while mails are sent and starts it
// anew: the script follows the job to its end.
func TestBulkScriptOutlivesTheService(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the service")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	t.Parallel()
	binary, store := build(t), newLasting(t)
	const pace = "AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND=20"
	p := launch(t, binary, append(store.env, pace)...)
	cmd := script(t, "--base", p.url, write(t, manyRows(20)))
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	says, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, killed := bufio.NewScanner(says), false
	for lines.Scan() {
		if !killed && strings.HasPrefix(lines.Text(), "Mails: job ") {
			killed = true
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait() // killed
			store.age()
			p = launch(t, binary, append(store.env, pace, "HTTP_PORT="+p.url[strings.LastIndexByte(p.url, ':')+1:])...)
		}
	}
	err = cmd.Wait()
	want := "Import: 20 inserted, 0 updated, 0 invalid\nActivation: 20 accounts made, 0 brought up to date, 0 failed\nMails: 20 sent, 0 failed\n"
	if diff := cmp.Diff(want, stdout.String()); diff != "" || err != nil || !killed {
		t.Errorf("killed: %v, %v, output (-want +got):\n%s", killed, err, diff)
	}
}

// TestBulkScriptIsClean has shellcheck read the script, where there is one.
func TestBulkScriptIsClean(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("no shellcheck here")
	}
	if out, err := exec.CommandContext(t.Context(), "shellcheck", filepath.Join("examples", "bulk.sh")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBulkScriptWithoutAService(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	_, says, exit := bulk(t, "--base", "http://127.0.0.1:1", "--delimiter", ";", filepath.Join("examples", "users.csv"))
	if exit != 1 || !strings.Contains(says, "no answer from http://127.0.0.1:1\n") {
		t.Errorf("exit %d, want 1:\n%s", exit, says)
	}
}

// script is the script, to be run.
func script(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{filepath.Join("examples", "bulk.sh")}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TMPDIR=" + t.TempDir()} // no one's .curlrc
	return cmd
}

// bulk runs the script to its end.
func bulk(t *testing.T, args ...string) (out, says string, exit int) {
	t.Helper()
	cmd := script(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// write writes a file.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "users; of, a \"file\".csv")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// anyID puts "<id>" in the place of ids.
func anyID(text string) string {
	return varying.ReplaceAllString(text, "<id>")
}

// checkBulk looks at what the script has made; mailed are all receivers of mails, or nil
// when there is a mail for each account.
func checkBulk(t *testing.T, p *process, users, accounts int, mailed []string) {
	t.Helper()
	var list []struct{ AuthUserID string }
	get(t, p.url+"/users/?_l=200", &list)
	if users > 200 {
		var rest []struct{ AuthUserID string }
		get(t, p.url+"/users/?_l=200&_sk=200", &rest)
		list = append(list, rest...)
	}
	linked := 0
	for _, user := range list {
		if user.AuthUserID != "" {
			linked++
		}
	}
	if len(list) != users || linked != accounts {
		t.Errorf("%d users and %d with an account, want %d and %d", len(list), linked, users, accounts)
	}
	var mails []struct{ To string }
	get(t, p.url+"/fake/outbox", &mails)
	if mailed == nil {
		if len(mails) != accounts {
			t.Errorf("%d mails, want one for each of %d accounts", len(mails), accounts)
		}
		return
	}
	var to []string
	for _, mail := range mails {
		to = append(to, mail.To)
	}
	slices.Sort(to)
	if diff := cmp.Diff(mailed, to); diff != "" {
		t.Errorf("receivers of mails (-want +got):\n%s", diff)
	}
}

// get reads what is answered as JSON.
func get(t *testing.T, url string, into any) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}
