package document

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, text string) any {
	t.Helper()
	v, err := Parse(text)
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return v
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	return parse(t, text).(map[string]any)
}

var noon = time.Date(2030, 1, 2, 12, 0, 0, 123456789, time.UTC)

func TestApply(t *testing.T) {
	for name, c := range map[string]struct{ doc, update, want string }{
		"set":                        {`{"a":1}`, `{"$set":{"a":2,"b":[1]}}`, `{"a":2,"b":[1]}`},
		"set makes objects":          {`{}`, `{"$set":{"a.b.c":1}}`, `{"a":{"b":{"c":1}}}`},
		"set an item":                {`{"a":[1,2]}`, `{"$set":{"a.1":9}}`, `{"a":[1,9]}`},
		"set beyond the end":         {`{"a":[1]}`, `{"$set":{"a.3":9}}`, `{"a":[1,null,null,9]}`},
		"set below an item":          {`{"a":[{"b":1}]}`, `{"$set":{"a.0.b":2}}`, `{"a":[{"b":2}]}`},
		"unset":                      {`{"a":1,"b":{"c":1,"d":2}}`, `{"$unset":{"a":true,"b.c":1}}`, `{"b":{"d":2}}`},
		"unset an item":              {`{"a":[1,2]}`, `{"$unset":{"a.0":true}}`, `{"a":[null,2]}`},
		"unset below a text":         {`{"a":"x"}`, `{"$unset":{"a.b":true}}`, `{"a":"x"}`},
		"inc":                        {`{"a":1}`, `{"$inc":{"a":0.5,"b":-2}}`, `{"a":1.5,"b":-2}`},
		"mul":                        {`{"a":3}`, `{"$mul":{"a":2,"b":7}}`, `{"a":6,"b":0}`},
		"mul to nothing":             {`{"a":-3}`, `{"$mul":{"a":0}}`, `{"a":0}`},
		"currentDate":                {`{}`, `{"$currentDate":{"a":true}}`, `{"a":"2030-01-02T12:00:00.123Z"}`},
		"push":                       {`{"a":[1]}`, `{"$push":{"a":1,"b":{"c":1}}}`, `{"a":[1,1],"b":[{"c":1}]}`},
		"push each":                  {`{"a":[1]}`, `{"$push":{"a":{"$each":[2,3]}}}`, `{"a":[1,2,3]}`},
		"push at a position":         {`{"a":[1]}`, `{"$push":{"a":{"$each":[2,3],"$position":0}}}`, `{"a":[2,3,1]}`},
		"addToSet":                   {`{"a":[1,{"x":1,"y":2}]}`, `{"$addToSet":{"a":{"$each":[1,{"y":2,"x":1},2,2]}}}`, `{"a":[1,{"x":1,"y":2},2]}`},
		"pull":                       {`{"a":[1,2,1]}`, `{"$pull":{"a":1,"b":1}}`, `{"a":[2]}`},
		"pull of several":            {`{"a":[1,2,3]}`, `{"$pull":{"a":{"$in":[1,3]}}}`, `{"a":[2]}`},
		"several operators":          {`{"a":1,"b":["x"]}`, `{"$set":{"c":1},"$inc":{"a":1},"$pull":{"b":"x"}}`, `{"a":2,"b":[],"c":1}`},
		"an empty update, operators": {`{"a":1}`, `{"$set":{},"$inc":{}}`, `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			doc := object(t, c.doc)
			u, err := ParseUpdate(object(t, c.update))
			if err != nil {
				t.Fatal(err)
			}
			got, err := u.Apply(doc, noon)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(object(t, c.want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(object(t, c.doc), doc); diff != "" {
				t.Errorf("the argument was changed (-want +got)\n%s", diff)
			}
		})
	}
}

func TestUpdateRefusals(t *testing.T) {
	for name, c := range map[string]struct{ doc, update, want string }{
		"plain field":            {`{}`, `{"a":1}`, "unknown update operator a"},
		"unknown operator":       {`{}`, `{"$rename":{"a":"b"}}`, "unknown update operator $rename"},
		"operand is no object":   {`{}`, `{"$set":1}`, "$set must be an object"},
		"empty part of a path":   {`{}`, `{"$set":{"a..b":1}}`, `$set of "a..b"`},
		"unset by false":         {`{}`, `{"$unset":{"a":false}}`, "$unset of a"},
		"inc by a text":          {`{}`, `{"$inc":{"a":"1"}}`, "$inc of a"},
		"the same path":          {`{}`, `{"$set":{"a":1},"$unset":{"a":true}}`, "conflict at 'a'"},
		"a path and a part":      {`{}`, `{"$set":{"a":1,"a.b":1}}`, "conflict at 'a'"},
		"unknown modifier":       {`{}`, `{"$push":{"a":{"$each":[],"$first":1}}}`, "$push of a: unknown modifier $first"},
		"each without an array":  {`{}`, `{"$push":{"a":{"$each":1}}}`, "$push of a"},
		"condition in pull":      {`{}`, `{"$pull":{"a":{"$gt":1}}}`, "$pull of a"},
		"inc of a text":          {`{"a":"x"}`, `{"$inc":{"a":1}}`, "$inc of a"},
		"inc beyond all numbers": {`{"a":1e308}`, `{"$mul":{"a":1e308}}`, "$mul of a"},
		"push to a text":         {`{"a":"x"}`, `{"$push":{"a":1}}`, "$push of a"},
		"pull from a text":       {`{"a":"x"}`, `{"$pull":{"a":1}}`, "$pull of a"},
		"set below a text":       {`{"a":"x"}`, `{"$set":{"a.b":1}}`, "$set of a.b"},
		"set below null":         {`{"a":null}`, `{"$set":{"a.b":1}}`, "$set of a.b"},
		"field of an array":      {`{"a":[]}`, `{"$set":{"a.b":1}}`, "$set of a.b"},
		"index far too great":    {`{"a":[]}`, `{"$set":{"a.99999":1}}`, "$set of a.99999"},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := ParseUpdate(object(t, c.update))
			if err == nil {
				_, err = u.Apply(object(t, c.doc), noon)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestTouches(t *testing.T) {
	u, err := ParseUpdate(object(t, `{"$unset":{"x":true},"$set":{"b":1,"a.c":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Touch{{"$set", "a.c"}, {"$set", "b"}, {"$unset", "x"}}
	if diff := cmp.Diff(want, u.Touches()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMatch(t *testing.T) {
	const doc = `{"n":5,"s":"abc","z":null,"b":true,"o":{"p":1,"q":[{"r":1},{"r":2},{}]},"l":["x","y"],"e":[],"m":[[1,2],3]}`
	for name, c := range map[string]struct {
		query string
		want  bool
	}{
		"empty":                          {`{}`, true},
		"equal":                          {`{"n":5}`, true},
		"types do not mix":               {`{"n":"5"}`, false},
		"a text is not above a number":   {`{"s":{"$gt":1}}`, false},
		"null is null":                   {`{"z":null}`, true},
		"null is missing":                {`{"none":null}`, true},
		"null is not a value":            {`{"n":null}`, false},
		"missing is below null":          {`{"none":{"$lte":null}}`, true},
		"ne of missing":                  {`{"none":{"$ne":1}}`, true},
		"nin of missing":                 {`{"none":{"$nin":[1]}}`, true},
		"nin null of missing":            {`{"none":{"$nin":[null]}}`, false},
		"exists of null":                 {`{"z":{"$exists":true}}`, true},
		"exists of missing":              {`{"none":{"$exists":true}}`, false},
		"an item of an array":            {`{"l":"y"}`, true},
		"the whole array":                {`{"l":["x","y"]}`, true},
		"the array in another order":     {`{"l":["y","x"]}`, false},
		"the empty array":                {`{"e":[]}`, true},
		"null is not an empty array":     {`{"e":null}`, false},
		"an array in an array":           {`{"m":[1,2]}`, true},
		"not two levels down":            {`{"m":1}`, false},
		"an index":                       {`{"l.1":"y"}`, true},
		"through an array":               {`{"o.q.r":2}`, true},
		"missing in one of an array":     {`{"o.q.r":null}`, true},
		"through an array, by index":     {`{"o.q.0.r":2}`, false},
		"a range over items":             {`{"o.q.r":{"$gt":1,"$lt":2}}`, true},
		"elemMatch asks one item":        {`{"o.q":{"$elemMatch":{"r":{"$gt":1,"$lt":2}}}}`, false},
		"elemMatch of scalars":           {`{"l":{"$elemMatch":{"$in":["q","x"]}}}`, true},
		"all":                            {`{"l":{"$all":["y","x"]}}`, true},
		"all of nothing":                 {`{"l":{"$all":[]}}`, false},
		"size":                           {`{"e":{"$size":0}}`, true},
		"size of a text":                 {`{"s":{"$size":3}}`, false},
		"object, keys in another order":  {`{"o":{"q":[{"r":1},{"r":2},{}],"p":1}}`, true},
		"regex":                          {`{"s":{"$regex":"^B","$options":"i"}}`, false},
		"regex on an item":               {`{"l":{"$regex":"^Y","$options":"i"}}`, true},
		"or":                             {`{"$or":[{"n":1},{"b":true}]}`, true},
		"and":                            {`{"$and":[{"n":5},{"b":false}]}`, false},
		"below a scalar":                 {`{"n.x":null}`, true},
		"in with an object":              {`{"o.q":{"$in":[{"r":2}]}}`, true},
		"number in a list of many types": {`{"n":{"$in":["5",5,null]}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := ParseFilter(object(t, c.query))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Match(object(t, doc)); got != c.want {
				t.Errorf("%s: got %v", c.query, got)
			}
		})
	}
}

func TestFilterRefusals(t *testing.T) {
	for query, want := range map[string]string{
		`{"$nor":[]}`:                      "unknown operator: $nor",
		`{"a":{"$near":1}}`:                "unsupported operator: $near",
		`{"$or":[]}`:                       "$or must be a nonempty array",
		`{"$and":[1]}`:                     "$and must hold objects",
		`{"a":{"$in":1}}`:                  "$in needs an array",
		`{"a":{"$size":-1}}`:               "$size needs",
		`{"a":{"$regex":"("}}`:             "$regex is invalid",
		`{"a":{"$regex":"(?=a)"}}`:         "RE2",
		`{"a":{"$regex":1}}`:               "$regex needs a text",
		`{"a":{"$options":"i"}}`:           "$options needs a $regex",
		`{"a":{"$regex":"","$options":3}}`: "$options needs a text",
		`{"a":{"$elemMatch":1}}`:           "$elemMatch needs an object",
	} {
		if _, err := ParseFilter(object(t, query)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", query, err, want)
		}
	}
}

func TestCompareOrdersTypes(t *testing.T) {
	inOrder := []string{`null`, `-1`, `0`, `1e300`, `""`, `"B"`, `"a"`, `"é"`, `{}`, `{"a":1}`, `{"a":2}`, `{"b":0}`, `[]`, `[1]`, `[1,0]`, `[2]`, `false`, `true`}
	for i, a := range inOrder {
		for j, b := range inOrder {
			got := Compare(parse(t, a), parse(t, b))
			if got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("Compare(%s, %s) = %d", a, b, got)
			}
			if Equal(parse(t, a), parse(t, b)) != (i == j) {
				t.Errorf("Equal(%s, %s) = %v", a, b, i != j)
			}
		}
	}
}

func TestProjection(t *testing.T) {
	const doc = `{"_id":"1","a":1,"o":{"p":1,"q":[{"r":1,"s":2},5]}}`
	for name, c := range map[string]struct {
		p    Projection
		want string
	}{
		"all":                      {Projection{}, doc},
		"some":                     {Include([]string{"a", "none"}, false), `{"_id":"1","a":1}`},
		"only the id":              {Include(nil, false), `{"_id":"1"}`},
		"without the id":           {Include([]string{"a"}, true), `{"a":1}`},
		"a path through an array":  {Include([]string{"o.q.r"}, true), `{"o":{"q":[{"r":1}]}}`},
		"a path and its whole":     {Include([]string{"o", "o.p"}, true), `{"o":{"p":1,"q":[{"r":1,"s":2},5]}}`},
		"a path below a scalar":    {Include([]string{"a.b"}, true), `{}`},
		"without some":             {Exclude([]string{"a", "o.q.s"}, false), `{"_id":"1","o":{"p":1,"q":[{"r":1},5]}}`},
		"without the id alone":     {Exclude(nil, true), `{"a":1,"o":{"p":1,"q":[{"r":1,"s":2},5]}}`},
		"without what is not here": {Exclude([]string{"none"}, false), doc},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(object(t, c.want), c.p.Apply(object(t, doc))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		` { "b" : [ 1.50 , 1e2 , -0 ] , "a" : null } `: `{"a":null,"b":[1.5,100,0]}`,
		`"\u00e9\ud83d\ude00\n\"\\\/"`:                 `"é😀\n\"\\/"`,
		`"\ud800"`:                                     "\"\uFFFD\"",
		"\"\xff\"":                                     "\"\uFFFD\"",
		`"\u0000"`:                                     `"\u0000"`,
		`1e21`:                                         `1e+21`,
		`0.0000001`:                                    `1e-7`,
		`123456789012`:                                 `123456789012`,
		`{"a":1,"a":2}`:                                `{"a":2}`,
		`"<&>"`:                                        `"<&>"`,
	} {
		if got := string(AppendJSON(nil, parse(t, text))); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		``: "unexpected end", `{`: "unexpected end", `{"a"}`: "':'", `[1,]`: "unexpected", `01`: "after", `1.x`: "digit", `1e999`: "out of range",
		`{} {}`: "after the JSON value", `"a`: "unexpected end", "\"\n\"": "control", `"\x"`: "escape", `tru`: "unexpected", `{"__proto__":1}`: "forbidden",
		`{"constructor":{"prototype":1}}`: "forbidden", strings.Repeat("[", 300): "too many levels",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", text, err, want)
		}
	}
}

func TestRawTexts(t *testing.T) {
	_, raws, err := ParseRaw(`[{"a": {"y":1, "x":2}, "twice":{"k":1,"k":2}},{"b":"c"}]`, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []Raw{{"a": `{"y":1, "x":2}`}, {"b": `"c"`}}
	if diff := cmp.Diff(want, raws); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEachField(t *testing.T) {
	const text = `{"a":1,"b\"c":"x,}\"","d":{"e":[1,{"f":"]"}],"g":null},"h":[],"i":true}`
	got := map[string]string{}
	EachField(text, func(name, value string) bool {
		got[name] = value
		return true
	})
	want := map[string]string{"a": "1", `b"c`: `"x,}\""`, "d": `{"e":[1,{"f":"]"}],"g":null}`, "h": "[]", "i": "true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	EachField(`{}`, func(name, _ string) bool { t.Errorf("a field of nothing: %s", name); return true })
}
