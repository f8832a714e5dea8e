package main

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

type listRequest struct {
	IDs  []string `json:"ids"`
	Note string   `json:"note"`
}

// readListRequest reads a listRequest item by item, from pieces of a byte.
func readListRequest(text []byte) (in listRequest, wrong, err error) {
	r := httptest.NewRequest("POST", "/", iotest.OneByteReader(bytes.NewReader(text)))
	r.Header.Set("Content-Type", "application/json")
	r.Body = boundedBody{r.Body, 10}
	take := func(l *listBody, field string, i int) error {
		if i == 0 {
			in.IDs = nil
		}
		var id string
		err := l.value(field, &id)
		in.IDs = append(in.IDs, id)
		return err
	}
	wrong, err = readList(r, &listBody{name: "ids", kind: "an array of strings", others: map[string]any{"note": &in.Note}, item: take}, false)
	return in, wrong, err
}

func TestReadList(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct{ text, wrong, err string }{
		"a list":                           {`{"ids":["a","b"],"note":"c"}`, "", ""},
		"fields in another case":           {`{"IDS":["a"],"Note":"c"}`, "", ""},
		"no list":                          {`{}`, "", ""},
		"null":                             {` null `, "", ""},
		"a list that is null":              {`{"ids":null}`, "", ""},
		"a list that is twice there":       {`{"ids":["a","b"],"ids":["c"]}`, "", ""},
		"a list alone":                     {`[[1],{"a":[]}]`, "body: must be an object, not array", ""},
		"a number":                         {`5`, "body: must be an object, not number", ""},
		"an item of another type":          {`{"ids":["a",5,true]}`, "ids: must be a string, not number", ""},
		"a list of another type":           {`{"ids":{"a":[{}]},"note":5}`, "ids: must be an array of strings, not object", ""},
		"another field of another type":    {`{"note":[5],"ids":5}`, "note: must be a string, not array", ""},
		"an unknown field":                 {`{"more":{"a":[{"b":1}]},"ids":[5]}`, "more: is not a field of this request", ""},
		"something wrong, and then cut":    {`{"more":5,"ids":["a"`, "", "body: is not valid JSON: it ends too early"},
		"something wrong, and then broken": {`{"more":5,"ids":["a" "b"]}`, "", "body: is not valid JSON: expected comma after array element"},
		"two values":                       {`{"ids":["a"]} {}`, "", "body: something follows the JSON value"},
		"a value and what is none":         {`{"ids":["a"]} ]`, "", "body: something follows the JSON value"},
		"nothing":                          {``, "", "body: must not be empty"},
		"too deep":                         {`{"more":` + strings.Repeat("[", 10), "", "body: is nested deeper than 10 levels"},
		"not UTF-8":                        {"{\"ids\":[\"\xff\"]}", "", "body: is not UTF-8"},
		"half a character at the end":      {"{\"ids\":[\"\xc3", "", "body: is not UTF-8"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in, wrong, err := readListRequest([]byte(test.text))
			if wordsOf(wrong) != test.wrong || wordsOf(err) != test.err {
				t.Fatalf("%s: wrong %q, error %q, want %q and %q", test.text, wordsOf(wrong), wordsOf(err), test.wrong, test.err)
			}
			if wrong == nil && err == nil {
				compareWithWhole(t, test.text, in)
			}
		})
	}
}

func wordsOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// compareWithWhole holds what was read item by item against what is read as a whole.
func compareWithWhole(t *testing.T, text string, got listRequest) {
	t.Helper()
	var want listRequest
	if err := decodeStrict([]byte(text), &want); err != nil {
		t.Fatalf("%q: read item by item, and refused as a whole: %v", text, err)
	}
	if len(want.IDs) == 0 && len(got.IDs) == 0 {
		want.IDs, got.IDs = nil, nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q: (-want +got)\n%s", text, diff)
	}
}

// FuzzReadList: what is read item by item is what is read as a whole, and so is what is
// refused.
func FuzzReadList(f *testing.F) {
	for _, text := range []string{`{"ids":["a","b"],"note":"c"}`, `{"ids":[5]}`, `{"ids":{"a":[1]},"x":[{}]}`, `[]`, `null`, `{"Ids":["\u00e4"]} 5`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Count(bytes.ToLower(body), []byte("ids")) > 1 {
			t.Skip("a list that is there twice is read into the first one as a whole")
		}
		in, wrong, err := readListRequest(body)
		if err = errors.Join(err, wrong); err == nil {
			compareWithWhole(t, string(body), in)
			return
		}
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Body = boundedBody{r.Body, 10}
		if whole := decodeJSON(r, &listRequest{}, true); whole == nil {
			t.Errorf("%q: %v, and nothing is wrong with it as a whole", body, err)
		}
	})
}
