package document

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// random is a source that a fuzz input decides.
func random(seed uint64) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.New(rand.NewChaCha8(key))
}

func seeds(f *testing.F, n uint64) {
	for seed := range n {
		f.Add(seed)
	}
}

func randomValue(r *rand.Rand, depth int) any {
	n := 9
	if depth == 0 {
		n = 7
	}
	switch r.IntN(n) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2, 3:
		return float64(r.IntN(4) - 1)
	case 4, 5, 6:
		return []any{"", "a", "b", "ab"}[r.IntN(4)]
	case 7:
		out := []any{}
		for range r.IntN(3) {
			out = append(out, randomValue(r, depth-1))
		}
		return out
	}
	return randomDocument(r, depth-1)
}

func randomDocument(r *rand.Rand, depth int) Document {
	out := Document{}
	for range r.IntN(4) {
		out[[]string{"a", "b", "c"}[r.IntN(3)]] = randomValue(r, depth)
	}
	return out
}

func randomPath(r *rand.Rand) string {
	return []string{"a", "b", "a.b", "a.0", "a.b.c", "c.0.a", "a.1.b"}[r.IntN(7)]
}

func randomFilter(r *rand.Rand, depth int) map[string]any {
	query := map[string]any{}
	for range 1 + r.IntN(2) {
		if depth > 0 && r.IntN(3) == 0 {
			query[[]string{"$and", "$or"}[r.IntN(2)]] = []any{randomFilter(r, depth-1), randomFilter(r, depth-1)}
			continue
		}
		query[randomPath(r)] = randomCondition(r)
	}
	return query
}

func randomCondition(r *rand.Rand) map[string]any {
	op := []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$all", "$exists", "$size", "$regex"}[r.IntN(12)]
	switch op {
	case "$in", "$nin", "$all":
		items := []any{}
		for range r.IntN(4) {
			items = append(items, randomValue(r, 1))
		}
		return map[string]any{op: items}
	case "$exists":
		return map[string]any{op: r.IntN(2) == 0}
	case "$size":
		return map[string]any{op: float64(r.IntN(3))}
	case "$regex":
		return map[string]any{op: []any{"^a", "b$", "", "[ab]"}[r.IntN(4)]}
	}
	return map[string]any{op: randomValue(r, 1)}
}

// FuzzMatch compares the matcher with a reference that is as plain as can be.
func FuzzMatch(f *testing.F) {
	seeds(f, 300)
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := random(seed)
		query := randomFilter(r, 2)
		filter, err := ParseFilter(query)
		if err != nil {
			t.Fatalf("%v: %v", query, err)
		}
		for range 10 {
			doc := randomDocument(r, 3)
			if got, want := filter.Match(doc), referenceMatch(query, doc); got != want {
				t.Fatalf("%s on %s: got %v, want %v", AppendJSON(nil, query), AppendJSON(nil, doc), got, want)
			}
		}
	})
}

func referenceMatch(query map[string]any, doc Document) bool {
	all := true
	for key, operand := range query {
		switch key {
		case "$and", "$or":
			some, every := false, true
			for _, item := range operand.([]any) {
				matched := referenceMatch(item.(map[string]any), doc)
				some, every = some || matched, every && matched
			}
			all = all && (key == "$or" && some || key == "$and" && every)
		default:
			for op, v := range operand.(map[string]any) {
				all = all && referenceHolds(op, v, referenceEnds(doc, splitPath(key)))
			}
		}
	}
	return all
}

func splitPath(path string) []string { return regexp.MustCompile(`\.`).Split(path, -1) }

// end is where a path leads: a value, or nowhere.
type end struct {
	v       any
	present bool
}

// referenceEnds lists every place that a path leads to.
func referenceEnds(v any, parts []string) []end {
	if len(parts) == 0 {
		return []end{{v, true}}
	}
	switch v := v.(type) {
	case map[string]any:
		if child, ok := v[parts[0]]; ok {
			return referenceEnds(child, parts[1:])
		}
	case []any:
		var out []end
		for i, item := range v {
			if string(AppendJSON(nil, float64(i))) == parts[0] {
				out = append(out, referenceEnds(item, parts[1:])...)
			}
			if _, ok := item.(map[string]any); ok {
				out = append(out, referenceEnds(item, parts)...)
			}
		}
		return out
	}
	return []end{{nil, false}}
}

func referenceHolds(op string, operand any, ends []end) bool {
	switch op {
	case "$ne":
		return !referenceHolds("$eq", operand, ends)
	case "$nin":
		return !referenceHolds("$in", operand, ends)
	case "$all":
		for _, item := range operand.([]any) {
			if !referenceHolds("$eq", item, ends) {
				return false
			}
		}
		return len(operand.([]any)) > 0
	case "$exists":
		for _, e := range ends {
			if e.present {
				return operand.(bool)
			}
		}
		return !operand.(bool)
	}
	for _, e := range ends {
		if referenceOne(op, operand, e) {
			return true
		}
		if items, ok := e.v.([]any); ok && op != "$size" {
			for _, item := range items {
				if referenceOne(op, operand, end{item, true}) {
					return true
				}
			}
		}
	}
	return false
}

func referenceOne(op string, operand any, e end) bool {
	same := string(AppendJSON(nil, e.v)) == string(AppendJSON(nil, operand))
	sameType := rank(e.v) == rank(operand)
	switch op {
	case "$eq":
		return same
	case "$in":
		for _, item := range operand.([]any) {
			if referenceOne("$eq", item, e) {
				return true
			}
		}
		return false
	case "$size":
		items, ok := e.v.([]any)
		return ok && float64(len(items)) == operand
	case "$regex":
		text, ok := e.v.(string)
		return ok && regexp.MustCompile(operand.(string)).MatchString(text)
	case "$gt":
		return sameType && Compare(e.v, operand) > 0
	case "$gte":
		return sameType && Compare(e.v, operand) >= 0
	case "$lt":
		return sameType && Compare(e.v, operand) < 0
	}
	return sameType && Compare(e.v, operand) <= 0
}

// FuzzParseFilter asks that no JSON makes the filter panic.
func FuzzParseFilter(f *testing.F) {
	for _, text := range []string{`{"a":1}`, `{"$or":[{"a":{"$gt":1}}]}`, `{"a":{"$regex":"(","$options":"x"}}`, `{"a":{"$elemMatch":{"b":{"$in":[null]}}}}`, `{"a..b":{"$size":1.5}}`, `{"":{"$all":[[]]}}`} {
		f.Add(text, `{"a":[{"b":1},null,[2]]}`)
	}
	f.Fuzz(func(t *testing.T, query, doc string) {
		q, err := Parse(query)
		d, err2 := Parse(doc)
		object, isObject := q.(map[string]any)
		document, isDocument := d.(map[string]any)
		if err != nil || err2 != nil || !isObject || !isDocument {
			return
		}
		filter, err := ParseFilter(object)
		if err != nil {
			return
		}
		matched := filter.Match(document)
		if negated := Join(filter, filter).Match(document); negated != matched {
			t.Errorf("%s twice does not match as once", query)
		}
	})
}

// FuzzUpdate asks of any update that it leaves its argument alone, that what it sets
// is there, that what it unsets is gone, and that the result is JSON.
func FuzzUpdate(f *testing.F) {
	for _, update := range []string{`{"$set":{"a.b":1},"$unset":{"c":true}}`, `{"$inc":{"a":1},"$mul":{"b":2}}`, `{"$push":{"a":{"$each":[1],"$position":3}},"$addToSet":{"b":1},"$pull":{"c":{"$in":[1]}}}`,
		`{"$set":{"a.5":1,"a.0.b":2}}`, `{"$currentDate":{"a":true}}`, `{"$set":{"a":{"b":[]}}}`, `{"$unset":{"a.0":1}}`} {
		f.Add(update, `{"a":[{"b":1}],"b":2,"c":[1,1]}`)
		f.Add(update, `{"a":1,"b":[1]}`)
	}
	f.Fuzz(func(t *testing.T, update, text string) {
		body, err := Parse(update)
		value, err2 := Parse(text)
		object, isObject := body.(map[string]any)
		doc, isDocument := value.(map[string]any)
		if err != nil || err2 != nil || !isObject || !isDocument {
			return
		}
		u, err := ParseUpdate(object)
		if err != nil {
			return
		}
		got, err := u.Apply(doc, noon)
		if diff := cmp.Diff(value, any(doc)); diff != "" {
			t.Fatalf("the argument was changed (-want +got)\n%s", diff)
		}
		if err != nil {
			return
		}
		if !json.Valid(AppendJSON(nil, got)) {
			t.Fatalf("no JSON: %s", AppendJSON(nil, got))
		}
		checkTouches(t, object, got, u)
	})
}

func checkTouches(t *testing.T, body map[string]any, got Document, u Update) {
	for _, touch := range u.Touches() {
		v, present := Get(got, touch.Path)
		switch touch.Operator {
		case "$set":
			if want := body["$set"].(map[string]any)[touch.Path]; !present || !Equal(v, want) {
				t.Errorf("$set of %s: got %v, want %v", touch.Path, v, want)
			}
		case "$unset":
			if present && v != nil {
				t.Errorf("$unset of %s: %v is still there", touch.Path, v)
			}
		case "$currentDate", "$push", "$addToSet", "$inc", "$mul":
			if !present {
				t.Errorf("%s of %s: nothing is there", touch.Operator, touch.Path)
			}
		}
	}
}

// FuzzParse compares the reader with encoding/json, and asks that what is written is
// read again as the same value.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.5e3,-0,"x\u00e9\ud83d\ude00",null,true,false,{}]}`, `[`, `"\ud800"`, `{"a":1,"a":{"b":2}}`, "\"\xff\xfe\"", "{\"\xdd\xdd\":0}", `1e999`, ` [ ] `, `{"a" : 1 , }`, `00`, `-`, `"\u12G4"`, `{"constructor":{"prototype":1}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, raws, err := ParseRaw(text, 0)
		var want any
		wantErr := json.Unmarshal([]byte(text), &want)
		if err != nil {
			if wantErr == nil && !stricter(text, err) {
				t.Fatalf("%q: %v, but encoding/json reads it", text, err)
			}
			return
		}
		if wantErr != nil {
			t.Fatalf("%q: read, but encoding/json says %v", text, wantErr)
		}
		if diff := cmp.Diff(want, got); diff != "" && json.Valid([]byte(text)) && !repeats(raws, got) {
			t.Fatalf("%q: (-encoding/json +got)\n%s", text, diff)
		}
		if object, ok := got.(map[string]any); ok {
			checkFields(t, object)
		}
		again, err := Parse(string(AppendJSON(nil, got)))
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Fatalf("%q: written and read again: %v\n%s", text, err, diff)
		}
	})
}

// checkFields asks that the fast reader of fields sees what was written.
func checkFields(t *testing.T, object map[string]any) {
	seen := 0
	EachField(string(AppendJSON(nil, object)), func(name, value string) bool {
		seen++
		if want := string(AppendJSON(nil, object[name])); value != want {
			t.Errorf("field %q: got %s, want %s", name, value, want)
		}
		return true
	})
	if seen != len(object) {
		t.Errorf("%d of %d fields seen in %s", seen, len(object), AppendJSON(nil, object))
	}
}

// stricter reports whether an error is one of those that encoding/json does not have.
func stricter(_ string, err error) bool {
	return err == ErrForbiddenKey || regexp.MustCompile("too many levels|out of range").MatchString(err.Error())
}

// repeats reports whether a key may have been given twice: encoding/json then merges
// objects, and this reader takes the last.
func repeats(raws []Raw, v any) bool {
	object, isObject := v.(map[string]any)
	return !isObject || len(raws) == 0 || len(raws[0]) != len(object)
}
