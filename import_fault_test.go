package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream/faults"
)

// mixedFile has, in batches of three rows: new users; an update of a user without an
// account, one of a user with an account that the account need not know and one that it
// must; a duplicate in the file, one of the store, and rows that are not valid.
const mixedFile = `_id,userGroup,email,username,name,surname
,customers,bob@example.com,bob,Bob,
<id1>,,,,Anna,
,customers,carl@example.com,,Carl,
<id2>,,dora.new@example.com,dora,,
,customers,bob@example.com,,Robert,
,,nobody@example.com,,Nobody,
,customers,dan@example.com,,,
<id3>,,eve.new@example.com,,Eve,
,customers,eve@example.com,eve,,
,nowhere,fay@example.com,,Fay,
,customers,gus@example.com,gus,Gus,
ffffffffffffffffffffffff,,hal@example.com,,,
<id2>,,,,Dora,
,customers,ida@example.com,,Ida,
`

// sendFile imports a CSV file; ids stand in it as placeholders.
func (h *harness) sendFile(file string) reply {
	h.t.Helper()
	body := "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"users.csv\"\r\nContent-Type: text/csv\r\n\r\n" + file + "\r\n--limit--\r\n"
	return h.call("PATCH", "/users/import", body, "Content-Type: multipart/form-data; boundary=limit")
}

// readyForFile makes the users of mixedFile: <id1> and <id2> have accounts, <id3> has
// none.
func readyForFile(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "3"})
	h.mustAll(
		noMail+` {"userGroup":"customers","email":"anna@example.com","username":"anna","name":"Ann"}`,
		noMail+` {"userGroup":"customers","email":"dora@example.com"}`,
		`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"eve.old@example.com"}`,
	)
	h.plan.Reset()
	return h
}

// A fileReport is the answer to an import.
type fileReport struct {
	Updated, Inserted []string
	Invalid           []struct {
		Row   int
		Error string
	}
}

// reportOf reads an import's answer. Ids of new users are not kept: they differ.
func reportOf(t *testing.T, got reply) fileReport {
	t.Helper()
	var report fileReport
	if err := json.Unmarshal([]byte(got.body), &report); got.status != 200 || err != nil {
		t.Fatalf("import = %d %s", got.status, got.body)
	}
	all := slices.Concat(report.Updated, report.Inserted)
	slices.Sort(all)
	if want := slices.Compact(slices.Clone(report.Inserted)); len(want) != len(report.Inserted) {
		t.Errorf("an id is there twice among %v", report.Inserted)
	}
	for i := range report.Inserted {
		report.Inserted[i] = "new"
	}
	return report
}

// rows is how many rows the report accounts for.
func (r fileReport) rows() int { return len(r.Updated) + len(r.Inserted) + len(r.Invalid) }

// withoutOrder leaves users in an order that does not depend on which were made first.
func (w world) withoutOrder() world {
	w = w.inOrder()
	slices.SortFunc(w.Users, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return w
}

// TestEveryFaultOfAnImport fails each upstream call of an import in each way. What it
// answers is what came of the rows, or how far it got, which is true; no user is half
// changed; and the same file again completes it, nobody being there twice.
func TestEveryFaultOfAnImport(t *testing.T) {
	t.Parallel()
	var calls []string
	var before, after world
	var want fileReport
	synctest.Test(t, func(t *testing.T) {
		h := readyForFile(t)
		before = h.world().withoutOrder()
		want = reportOf(t, h.sendFile(mixedFile))
		calls = h.plan.Calls()
		h.settle()
		after = h.world().withoutOrder()
	})
	if want.rows() != strings.Count(mixedFile, "\n")-1 {
		t.Errorf("%d rows are accounted for: %+v", want.rows(), want)
	}
	picked := inJobs.picked(0)
	for n, call := range calls {
		for _, c := range importFaults(n + 1) {
			if !picked() {
				continue
			}
			t.Run(fmt.Sprintf("%d %s, %s", n+1, strings.ReplaceAll(call, "/", "_"), c.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					i := &faultyImport{h: readyForFile(t), c: c, before: before, after: after, want: want}
					i.check()
				})
			})
		}
	}
}

func importFaults(n int) []faultCase {
	var all []faultCase
	for _, fault := range faults.All() {
		all = append(all, faultCase{name: fault.String(), fault: fault, arm: func(p *faults.Plan) { p.Arm(n, fault) }})
		if fault != faults.Late {
			all = append(all, faultCase{name: "from there on, " + fault.String(), fault: fault, lasts: true, arm: func(p *faults.Plan) { p.ArmFrom(n, fault) }})
		}
	}
	return all
}

// A faultyImport is an import of mixedFile with a fault.
type faultyImport struct {
	h             *harness
	c             faultCase
	before, after world
	want          fileReport // without a fault
}

func (i *faultyImport) check() {
	h := i.h
	i.c.arm(h.plan)
	first := h.sendFile(mixedFile)
	if err := h.failClosed(false); err != nil {
		h.t.Errorf("after %d %s: %v", first.status, first.body, err)
	}
	h.plan.Heal()
	if first.status == 200 {
		if diff := cmp.Diff(i.want, reportOf(h.t, first)); diff != "" {
			h.t.Errorf("answer (-without a fault +with it):\n%s", diff)
		}
	} else {
		checkErrorBody(h.t, first)
		i.checkProgress(first)
	}
	h.plan.Deliver()
	h.settle()
	h.checkAgreement()
	if first.status == 200 {
		if diff := cmp.Diff(i.after, h.world().withoutOrder()); diff != "" {
			h.t.Errorf("after 200 (-without a fault +with it):\n%s", diff)
		}
	}
	second := reportOf(h.t, h.sendFile(mixedFile))
	if second.rows() != i.want.rows() {
		h.t.Errorf("made again it accounts for %d rows, want %d: %+v", second.rows(), i.want.rows(), second)
	}
	h.settle()
	if diff := cmp.Diff(i.after, h.world().withoutOrder()); diff != "" {
		h.t.Errorf("made again, after %d %s (-without a fault +with it):\n%s", first.status, first.body, diff)
	}
	h.checkNoDoubles()
}

// checkProgress holds what a broken import says against the store: no less was done, and
// no more, unless the store may have done what it did not answer.
func (i *faultyImport) checkProgress(first reply) {
	h := i.h
	h.t.Helper()
	at := strings.Index(first.body, "; before that ")
	if at < 0 {
		h.t.Errorf("%s does not say how far it came", first.body)
		return
	}
	var inserted, updated, invalid, last int
	_, err := fmt.Sscanf(first.body[at:], "; before that %d users were inserted and %d updated, and %d rows were invalid, up to row %d", &inserted, &updated, &invalid, &last)
	if err != nil {
		h.t.Errorf("%s: %v", first.body, err)
		return
	}
	news := len(h.all("/users")) - len(i.before.Users)
	open := i.c.fault == faults.DropAnswer || i.c.lasts // then a change that was begun could not be undone yet
	if inserted != news && !(open && inserted < news) {
		h.t.Errorf("%s, but %d users are new", first.body, news)
	}
	if changed := i.changed(); updated > 4 || changed > updated && !open || changed < min(updated, 3) {
		h.t.Errorf("%s, but %d users are changed", first.body, changed)
	}
	if rows := last - 1; inserted+updated+invalid > rows {
		h.t.Errorf("%s: more than there are rows", first.body)
	}
}

// changed is how many of the users that were there before are not as they were.
func (i *faultyImport) changed() int {
	is := i.h.world().Users
	changed := 0
	for n, was := range i.before.byEmail() {
		if n < len(is) && !cmp.Equal(was, is[n]) {
			changed++
		}
	}
	return changed
}

// byEmail gives the users of readyForFile in the order in which they were made.
func (w world) byEmail() []map[string]any {
	users := make([]map[string]any, len(w.Users))
	for _, user := range w.Users {
		switch user["email"] {
		case "anna@example.com":
			users[0] = user
		case "dora@example.com":
			users[1] = user
		default:
			users[2] = user
		}
	}
	return users
}

// checkAgreement reports a user whose account does not have its names.
func (h *harness) checkAgreement() {
	h.t.Helper()
	accounts := map[string]map[string]any{}
	for _, account := range h.all("/fake/accounts") {
		accounts[accountID(account)] = account
	}
	for _, user := range h.all("/users") {
		id, linked := user["authUserId"].(string)
		account := accounts[id]
		if !linked {
			continue
		}
		if account == nil {
			continue // checkPairing reports it, unless its user is DELETED
		}
		if account["email"] != user["email"] || account["username"] != user["username"] {
			h.t.Errorf("half done: user %v, %v has the account %v, %v", user["email"], user["username"], account["email"], account["username"])
		}
	}
}

// checkNoDoubles reports users whose authUserId is of no account, accounts of no user, and
// addresses that two users have.
func (h *harness) checkNoDoubles() {
	h.t.Helper()
	h.checkPairing()
	seen := map[any]bool{}
	for _, user := range h.all("/users") {
		if seen[user["email"]] {
			h.t.Errorf("%v is there twice", user["email"])
		}
		seen[user["email"]] = true
	}
}
