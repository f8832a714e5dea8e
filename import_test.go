package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/csvimport"
)

var update = flag.Bool("update", false, "write the golden files of imports, and the table of settings in the README, anew")

// importFolder has a CSV file for each case, as it is sent, <case>.golden.json with what
// comes of it, and <case>.request.json where something else than the file is sent. In all
// of them stand placeholders. groups.json are the schemas of user groups that every case
// has beside the demo groups.
const importFolder = "testdata/csvimport"

// batchSizes are those that every case is run with: what comes of it is always the same.
var batchSizes = []string{"250", "1", "3"}

// An importRequest is what is sent beside the file, and what happens before and after.
type importRequest struct {
	Env    map[string]string `json:"env"`
	Before []importStep      `json:"before"`
	Path   string            `json:"path"`   // "": /users/import
	Parts  []string          `json:"parts"`  // in order, "delimiter=;" or "file"; none: the file alone
	Header []string          `json:"header"` // "Name: value"
	After  []importStep      `json:"after"`
	// DryDiffers is why a dry run cannot tell what comes of the file.
	DryDiffers string `json:"dryDiffers"`
	// AnyField is why the case needs a store that takes any field.
	AnyField string `json:"anyField"`
}

// An importStep is a request besides the import.
type importStep struct {
	Request string          `json:"request"` // "POST /users/"
	Body    json.RawMessage `json:"body"`
}

// An importGolden is what came of a file.
type importGolden struct {
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer"`
	Users  []crud.Document `json:"users"`           // as they are in the store then, without times
	After  []stepGolden    `json:"after,omitempty"` // answers of the steps after
}

type stepGolden struct {
	Request string          `json:"request"`
	Status  int             `json:"status"`
	Answer  json.RawMessage `json:"answer,omitempty"`
}

// TestImportGoldens imports each file and compares the answer and the store with what the
// file's golden says, for several batch sizes; and holds a dry run against it.
func TestImportGoldens(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(importFolder, "*.csv"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", importFolder, err)
	}
	for _, file := range files {
		c := readImportCase(t, strings.TrimSuffix(file, ".csv"))
		t.Run(filepath.Base(c.name), func(t *testing.T) {
			t.Parallel()
			if c.request.AnyField != "" {
				inProcessOnly(t, c.request.AnyField)
			}
			if *update {
				c.write(t)
			}
			want, err := os.ReadFile(c.name + ".golden.json")
			if err != nil {
				t.Fatal(err)
			}
			sizes := batchSizes
			if testing.Short() {
				sizes = sizes[:1]
			}
			for _, size := range sizes {
				if diff := cmp.Diff(string(want), string(c.run(t, size))); diff != "" {
					t.Errorf("in batches of %s (-want +got):\n%s", size, diff)
				}
			}
		})
	}
}

type importCase struct {
	name    string // path without extension
	file    []byte
	request importRequest
}

func readImportCase(t *testing.T, name string) importCase {
	t.Helper()
	c := importCase{name: name}
	var err error
	if c.file, err = os.ReadFile(name + ".csv"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name + ".request.json")
	switch {
	case errors.Is(err, os.ErrNotExist):
		text = []byte("{}")
	case err != nil:
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c.request); err != nil {
		t.Fatalf("%s.request.json: %v", name, err)
	}
	if c.request.Path == "" {
		c.request.Path = "/users/import"
	}
	if c.request.Parts == nil {
		c.request.Parts = []string{"file"}
	}
	return c
}

func (c importCase) write(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(c.name+".golden.json", c.run(t, batchSizes[0]), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start makes a service with the groups and users of the case.
func (c importCase) start(t *testing.T, batchSize string) *harness {
	t.Helper()
	env := maps.Clone(c.request.Env)
	if env == nil {
		env = map[string]string{}
	}
	env["USER_IMPORT_BATCH_SIZE"] = batchSize
	h := newHarness(t, env)
	h.addImportGroups()
	for _, step := range c.request.Before {
		method, path, _ := strings.Cut(step.Request, " ")
		h.must(method, path, string(step.Body))
	}
	h.importedUsers() // gives accounts their placeholders
	return h
}

// addImportGroups adds the groups that are the same for all cases.
func (h *harness) addImportGroups() {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(importFolder, "groups.json"))
	if err != nil {
		h.t.Fatal(err)
	}
	var schemas map[string]any
	if err := json.Unmarshal(text, &schemas); err != nil {
		h.t.Fatal(err)
	}
	for name, schema := range schemas {
		group := crud.Document{"userGroup": name, "label": name, "crudSchema": schema}
		if _, err := h.client.Collection("/ums-config").Insert(h.t.Context(), group); err != nil {
			h.t.Fatal(err)
		}
	}
}

// send imports the case's file.
func (c importCase) send(h *harness, path string) reply {
	h.t.Helper()
	header := append([]string{"Content-Type: multipart/form-data; boundary=" + boundary}, c.request.Header...)
	return h.call("PATCH", path, multipartBody(h.t, c.request.Parts, c.file), header...)
}

// run imports the file, after a dry run, and returns the golden.
func (c importCase) run(t *testing.T, batchSize string) []byte {
	t.Helper()
	h := c.start(t, batchSize)
	checkDry := c.checkDryRun(h)
	got := c.send(h, c.request.Path)
	checkDry(got)
	c.checkHidesValues(h, got)
	golden := importGolden{Status: got.status, Answer: json.RawMessage(got.body), Users: h.importedUsers()}
	for _, step := range c.request.After {
		method, path, _ := strings.Cut(step.Request, " ")
		answer := h.call(method, path, string(step.Body))
		golden.After = append(golden.After, stepGolden{step.Request, answer.status, json.RawMessage(answer.body)})
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(golden); err != nil {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	return text.Bytes()
}

// importedUsers returns the users of the store in the order of their placeholders,
// without times. Those without one come last, in the order in which they were made.
func (h *harness) importedUsers() []crud.Document {
	h.t.Helper()
	users := h.all("/users")
	number := func(user crud.Document) int {
		h.seen.mu.Lock()
		defer h.seen.mu.Unlock()
		if name := h.seen.names[user["_id"].(string)]; name != "" {
			n, _ := strconv.Atoi(strings.Trim(name, "<id>"))
			return n
		}
		return 1 << 20
	}
	slices.SortStableFunc(users, func(a, b crud.Document) int { return number(a) - number(b) })
	for _, user := range users {
		delete(user, "createdAt")
		delete(user, "updatedAt")
		for _, field := range []string{"_id", "authUserId", "expirationId"} {
			if id, ok := user[field].(string); ok {
				user[field] = h.seen.hide(id)
			}
		}
	}
	return users
}

const boundary = "XXXXX"

// multipartBody returns the body of a request with the given parts: "name=value", or
// "file".
func multipartBody(t *testing.T, parts []string, file []byte) string {
	t.Helper()
	var body strings.Builder
	w := multipart.NewWriter(&body)
	if err := w.SetBoundary(boundary); err != nil {
		t.Fatal(err)
	}
	for _, spec := range parts {
		name, value, isField := strings.Cut(spec, "=")
		if isField {
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
			continue
		}
		part, err := w.CreateFormFile(name, "users.csv")
		if err == nil {
			_, err = part.Write(file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body.String()
}

// An importAnswer is that of an import or of a dry run.
type importAnswer struct {
	Updated    []string
	Inserted   []string
	Insertable int
	Invalid    []struct {
		Row   int
		Error string
	}
}

func (got reply) imported(t *testing.T) importAnswer {
	t.Helper()
	var answer importAnswer
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	return answer
}

// checkDryRun makes a dry run, which must write nothing, and returns a check that it said
// what the import comes to.
func (c importCase) checkDryRun(h *harness) (check func(imported reply)) {
	h.t.Helper()
	before := h.all("/users")
	path, query, _ := strings.Cut(c.request.Path, "?")
	got := c.send(h, path+"?"+strings.TrimPrefix(query+"&dryRun=true", "&"))
	if diff := cmp.Diff(before, h.all("/users")); diff != "" {
		h.t.Errorf("a dry run wrote something (-want +got):\n%s", diff)
	}
	if c.request.DryDiffers != "" || query != "" {
		return func(reply) {}
	}
	return func(imported reply) {
		h.t.Helper()
		want, dry := imported.imported(h.t), got.imported(h.t)
		want.Insertable, want.Inserted = len(want.Inserted), nil
		if diff := cmp.Diff(want, dry); got.status != imported.status || diff != "" {
			h.t.Errorf("the dry run said %d and the import %d (-import +dry run):\n%s", got.status, imported.status, diff)
		}
	}
}

// checkHidesValues checks that what is said of a row that was left out has none of its
// cells, nor one item of an array in them. Of a row that cannot be read it must have no
// cell of the file.
func (c importCase) checkHidesValues(h *harness, got reply) {
	h.t.Helper()
	file := h.seen.fill(string(c.file))
	cells, columns := c.cells(file)
	for _, invalid := range got.imported(h.t).Invalid {
		row, readable := cells[invalid.Row]
		if !readable {
			row = strings.FieldsFunc(file, func(r rune) bool { return strings.ContainsRune("\",;\t\r\n", r) })
		}
		for _, cell := range row {
			isName := func(column string) bool { return strings.Contains(column, cell) }
			if len(cell) < 3 || slices.ContainsFunc(columns, isName) || strings.Contains(invalid.Error, "the crudSchema of group") {
				continue
			}
			if strings.Contains(invalid.Error, cell) {
				h.t.Errorf("the error of row %d has the value %q: %s", invalid.Row, cell, invalid.Error)
			}
		}
	}
}

// cells returns the cells of the rows that can be read and the items of arrays in them,
// by the rows' numbers; and the columns.
func (c importCase) cells(file string) (cells map[int][]string, columns []string) {
	var o csvimport.Options
	for _, part := range c.request.Parts {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "delimiter":
			o.Delimiter = value
		case "encoding":
			o.Encoding = value
		case "escape":
			o.Escape = value
		}
	}
	cells = map[int][]string{}
	reader, err := csvimport.NewReader(strings.NewReader(file), o)
	if err != nil {
		return cells, nil
	}
	columns = reader.Columns()
	for {
		row, err := reader.Read()
		if _, bad := errors.AsType[*csvimport.RowError](err); bad {
			continue
		}
		if err != nil { // the end, of whatever kind
			return cells, columns
		}
		for _, column := range columns {
			cell := row.Cell(column)
			cells[row.Number] = append(cells[row.Number], cell)
			if items, isArray := strings.CutPrefix(cell, "["); isArray {
				for item := range strings.SplitSeq(strings.TrimSuffix(items, "]"), ",") {
					cells[row.Number] = append(cells[row.Number], strings.TrimSpace(item))
				}
			}
		}
	}
}

// importing imports a file of rows below a header and returns how many upstream calls of
// each kind that took.
func (h *harness) importing(header string, rows []string) (map[string]int, importAnswer) {
	h.t.Helper()
	file := []byte(header + "\n" + strings.Join(rows, "\n"))
	h.plan.Reset()
	got := h.call("PATCH", "/users/import", multipartBody(h.t, []string{"file"}, file), multipartType)
	if got.status != 200 {
		h.t.Fatalf("%d %s", got.status, got.body)
	}
	calls := map[string]int{}
	for _, call := range h.plan.Calls() {
		calls[call]++
	}
	return calls, got.imported(h.t)
}

// checkImport checks how many rows had which outcome, and the calls that it took.
func checkImport(t *testing.T, got importAnswer, updated, inserted, invalid int, calls, want map[string]int) {
	t.Helper()
	if len(got.Updated) != updated || len(got.Inserted) != inserted || len(got.Invalid) != invalid {
		t.Errorf("%d updated, %d inserted, %d invalid, want %d, %d, %d", len(got.Updated), len(got.Inserted), len(got.Invalid), updated, inserted, invalid)
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// newCustomers are rows of that many new customers.
func newCustomers(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("customers,user%d@example.com,User %d", i, i)
	}
	return rows
}

// TestCallsOfAnImport: how many calls an import takes does not grow with each row, nor
// with one row that is wrong. Over connections it looks first whose names are taken.
func TestCallsOfAnImport(t *testing.T) {
	ordinaryPages(t)
	t.Parallel()
	const header, n = "userGroup,email,name", 250
	const group, list, bulk, patch = "CRUD GET /ums-config/", "CRUD GET /users/", "CRUD POST /users/bulk", "CRUD PATCH /users/bulk"
	t.Run("all good", func(t *testing.T) {
		h := newHarness(t, nil)
		calls, got := h.importing(header, newCustomers(n))
		checkImport(t, got, 0, n, 0, calls, depending(map[string]int{group: 1, bulk: 1}, map[string]int{group: 1, bulk: 1, list: 1}))
	})
	t.Run("one doubled in the file", func(t *testing.T) {
		h := newHarness(t, nil)
		rows := newCustomers(n)
		rows[100] = "customers,user7@example.com,Other"
		calls, got := h.importing(header, rows)
		checkImport(t, got, 0, n-1, 1, calls, depending(map[string]int{group: 1, bulk: 2, list: 1}, map[string]int{group: 1, bulk: 1, list: 2}))
	})
	t.Run("one there already", func(t *testing.T) {
		h := newHarness(t, nil)
		h.must("POST", "/users/?postponeAuthUserCreation=true", `{"userGroup":"customers","email":"user100@example.com"}`)
		calls, got := h.importing(header, newCustomers(n))
		checkImport(t, got, 0, n-1, 1, calls, depending(map[string]int{group: 1, bulk: 2, list: 1}, map[string]int{group: 1, bulk: 1, list: 1}))
	})
	t.Run("all there already", func(t *testing.T) {
		h := newHarness(t, nil)
		for i := range n {
			user := crud.Document{"userGroup": "customers", "email": fmt.Sprintf("user%d@example.com", i)}
			if _, err := h.client.Collection("/users").Insert(t.Context(), user); err != nil {
				t.Fatal(err)
			}
		}
		calls, got := h.importing(header, newCustomers(n))
		checkImport(t, got, 0, 0, n, calls, depending(map[string]int{group: 1, bulk: 1, list: 2}, map[string]int{group: 1, list: 2}))
	})
	t.Run("all wrong", func(t *testing.T) {
		h := newHarness(t, nil)
		calls, got := h.importing(header+",nick", strings.Split(strings.Repeat("customers,ann@example.com,Ann,x\n", n), "\n")[:n])
		checkImport(t, got, 0, 0, n, calls, map[string]int{group: 1})
	})
	t.Run("updates", func(t *testing.T) {
		h := newHarness(t, nil)
		h.addImportGroups()
		calls, got := h.importing("_id,name", h.updatesOf(n))
		checkImport(t, got, n, 0, 0, calls, map[string]int{group: 1, list: 2, patch: 3})
	})
	t.Run("updates without a change", func(t *testing.T) {
		h := newHarness(t, nil)
		h.addImportGroups()
		rows := h.updatesOf(n)
		h.importing("_id,name", rows)
		calls, got := h.importing("_id,name", rows)
		checkImport(t, got, n, 0, 0, calls, map[string]int{group: 1, list: 2})
	})
	t.Run("updates, one refused by the store", func(t *testing.T) {
		h := newHarness(t, map[string]string{"COLLECTION_DEFINITION_FOLDER": importFolder + "/definitions"})
		h.addImportGroups()
		rows := h.updatesOf(n)
		for i := range rows {
			rows[i] += ","
		}
		rows[100] = strings.TrimSuffix(rows[100], ",") + ",many"
		calls, got := h.importing("_id,name,points", rows)
		checkImport(t, got, n-1, 0, 1, calls, map[string]int{group: 1, list: 2, patch: 17})
	})
	t.Run("dry run", func(t *testing.T) {
		h := newHarness(t, nil)
		h.plan.Reset()
		file := header + "\n" + strings.Join(newCustomers(n), "\n")
		h.must("PATCH", "/users/import?dryRun=true", multipartBody(t, []string{"file"}, []byte(file)), multipartType)
		if got := h.plan.Calls(); len(got) != 2 {
			t.Errorf("calls: %q", got)
		}
	})
}

// updatesOf makes users and returns rows that change their names.
func (h *harness) updatesOf(n int) []string {
	h.t.Helper()
	rows := make([]string, n)
	for i := range rows {
		id, err := h.client.Collection("/users").Insert(h.t.Context(), crud.Document{"userGroup": "open", "username": fmt.Sprintf("user%d", i)})
		if err != nil {
			h.t.Fatal(err)
		}
		rows[i] = fmt.Sprintf("%s,User %d", id, i)
	}
	return rows
}
