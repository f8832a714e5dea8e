package embedded

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/internal/logtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with that of a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

func TestLoadDefinitions(t *testing.T) {
	defs, err := LoadDefinitions("testdata/definitions/good")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(defs, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/definitions/good.golden", string(text)+"\n")

	s := openStore(t, Config{Path: ":memory:", Log: logtest.Logger(t), Collections: defs})
	for name, c := range map[string]struct {
		path, body string
		status     int
		message    string
	}{
		"a user":                        {"/users/", `{"userGroup":"g","username":"ann","address":{"city":"Rome","kind":"home","since":"2030-01-02","floor":3}}`, 200, ""},
		"a field that is not declared":  {"/users/", `{"userGroup":"g","nick":"x"}`, 400, `\"nick\" is not defined`},
		"a required field that lacks":   {"/users/", `{}`, 400, "must have required property 'userGroup'"},
		"a pattern in a schema":         {"/users/", `{"userGroup":"g","address":{"city":"rome"}}`, 400, `body/address/city must match pattern`},
		"an enum in a schema":           {"/users/", `{"userGroup":"g","address":{"city":"Rome","kind":"x"}}`, 400, "body/address/kind must be equal to one of the allowed values"},
		"a format in a schema":          {"/users/", `{"userGroup":"g","address":{"city":"Rome","since":"2030-13-01"}}`, 400, `must match format \"date\"`},
		"an integer in a schema":        {"/users/", `{"userGroup":"g","address":{"city":"Rome","floor":1.5}}`, 400, "must be integer"},
		"an order":                      {"/shop/orders/", `{"code":"x","amount":"3","due":null,"day":"2030-01-02","total":{"net":1},"dates":["2030-01-02"],"lines":[{"sku":"s"}]}`, 200, ""},
		"an integer":                    {"/shop/orders/", `{"code":"y","amount":1.5}`, 400, "body/amount must be integer"},
		"an object of the newer format": {"/shop/orders/", `{"code":"y","total":{"gross":1}}`, 400, "must have required property 'net'"},
		"items of the newer format":     {"/shop/orders/", `{"code":"y","lines":[{"x":1}]}`, 400, "must have required property 'sku'"},
		"an ObjectId among the items":   {"/shop/orders/", `{"code":"y","buyers":["nobody"]}`, 400, "must match pattern"},
		"null for a field that may be":  {"/shop/orders/", `{"code":"z","price":null}`, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if status, answer := do(t, s, "POST", c.path, c.body); status != c.status || !strings.Contains(answer, c.message) {
				t.Errorf("got %d %s, want %d %s", status, answer, c.status, c.message)
			}
		})
	}
	t.Run("the default state of a file that names none is DRAFT", func(t *testing.T) {
		if got := must(t, s, "GET", "/shop/orders/count?_st=DRAFT", ""); got != "2" {
			t.Errorf("%s drafts, want 2", got)
		}
	})
	t.Run("a compound unique index", func(t *testing.T) {
		if status, answer := do(t, s, "POST", "/users/", `{"userGroup":"g","username":"ann"}`); status != 409 || !strings.Contains(answer, "name_in_group") {
			t.Errorf("got %d %s, want a 409 of name_in_group", status, answer)
		}
	})
}

func TestLoadContractDefinitions(t *testing.T) {
	var defs map[string]json.RawMessage
	readJSON(t, "testdata/contract/collections.json", &defs)
	folder := t.TempDir()
	for name, text := range defs {
		if err := os.WriteFile(filepath.Join(folder, name+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := LoadDefinitions(folder)
	if err != nil || len(got) != len(defs) {
		t.Errorf("the definitions of the recorded service: %d of %d, %v", len(got), len(defs), err)
	}
}

func TestLoadDefinitionsRefuses(t *testing.T) {
	folders, err := filepath.Glob("testdata/definitions/bad/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no folders: %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			defs, err := LoadDefinitions(folder)
			if err == nil || defs != nil {
				t.Fatalf("got %v, %v; want an error", defs, err)
			}
			golden(t, filepath.Join("testdata/definitions/bad.golden", filepath.Base(folder)+".txt"), filepath.ToSlash(err.Error())+"\n")
		})
	}
	t.Run("a folder that is not there", func(t *testing.T) {
		if _, err := LoadDefinitions("testdata/none"); err == nil || !strings.Contains(err.Error(), "testdata/none") {
			t.Errorf("got %v, want an error with its name", err)
		}
	})
}

func TestUniqueWhereFieldsArePresent(t *testing.T) {
	for name, c := range map[string]struct {
		filter string
		fields []string
		want   bool
	}{
		"one field":                {`{"email":{"$exists":true}}`, []string{"email"}, true},
		"two fields":               {`{"email":{"$exists":true},"group":{"$exists":true}}`, []string{"group", "email"}, true},
		"one field of two":         {`{"email":{"$exists":true}}`, []string{"group", "email"}, false},
		"another field":            {`{"group":{"$exists":true}}`, []string{"email"}, false},
		"where it is not there":    {`{"email":{"$exists":false}}`, []string{"email"}, false},
		"another condition":        {`{"email":{"$gt":""}}`, []string{"email"}, false},
		"and another condition":    {`{"email":{"$exists":true,"$gt":""}}`, []string{"email"}, false},
		"a value":                  {`{"email":"x"}`, []string{"email"}, false},
		"an empty filter":          {`{}`, []string{"email"}, false},
		"none":                     {``, []string{"email"}, false},
		"a filter that is no JSON": {`{email}`, []string{"email"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := wherePresent(c.filter, compound("i", true, c.fields...)); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
