package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	newBob   = `{"userGroup":"customers","email":"bob@example.com","username":"bob"}`
	bulkPath = "POST /users/bulk?sendResetPwdEmail=false"
	unknown  = "65f1c0ffee65f1c0ffee65f1"
)

// both makes Ann and Bob: <id1> and <id2>.
var both = exchange{request: bulkPath, body: "[" + newAnn + "," + newBob + "]", status: 200, want: `[{"_id":"<id1>"},{"_id":"<id2>"}]`}

// bob is the second of two who are made one after the other: <id2>.
var bob = exchange{request: noMail, body: newBob, status: 200, want: `{"_id":"<id2>"}`}

// nobodyIn is the count of users in any state that a test left: none.
var nobodyIn = exchange{request: "GET /users/count?_st=PUBLIC,DRAFT,TRASH,DELETED", status: 200, want: "0"}

func count(path, want string) exchange {
	return exchange{request: "GET " + path, status: 200, want: want}
}

// additional is the store's refusal of a parameter.
func additional(name string) string {
	return `{"statusCode":400,"error":"Bad Request","message":"querystring must NOT have additional properties. Property \"` + name + `\" is not defined in validation schema"}`
}

func TestReadingAsPagesDo(t *testing.T) {
	t.Parallel()
	lost := `{"error":"not found"}`
	for what, c := range map[string]conversation{
		"one":                         {steps: []exchange{created, {request: "GET /users/<id1>?_p=username", status: 200, want: `{"_id":"<id1>","username":"ann"}`}}},
		"one with a trailing slash":   {steps: []exchange{created, {request: "GET /users/<id1>/?_p=username", status: 200, want: `{"_id":"<id1>","username":"ann"}`}}},
		"one with its id in capitals": {steps: []exchange{created, {request: "GET /users/<ID1>?_p=username", status: 200, want: `{"_id":"<id1>","username":"ann"}`}}},
		"one that a filter excludes":  {steps: []exchange{created, {request: "GET /users/<id1>?username=bob", status: 404, want: lost}}},
		"one in another state":        {steps: []exchange{created, {request: "GET /users/<id1>?_st=TRASH", status: 404, want: lost}}},
		"one that acl_rows hides":     {steps: []exchange{created, {request: "GET /users/<id1>", header: `Acl_rows: {"username":"bob"}`, status: 404, want: lost}}},
		"one, some columns":           {steps: []exchange{created, {request: "GET /users/<id1>", header: "Acl_read_columns: username", status: 200, want: `{"_id":"<id1>","username":"ann"}`}}},
		"one by a type, as pages ask": {steps: []exchange{created, {request: "GET /users/<id1>?_p=username", header: "Content-Type: application/json", status: 200, want: `{"_id":"<id1>","username":"ann"}`}}},
		"one that there is not":       {steps: []exchange{{request: "GET /users/" + unknown, status: 404, want: lost}}},
		"HEAD of one":                 {steps: []exchange{created, {request: "HEAD /users/<id1>", status: 200}}},
		"no id: a word":               {steps: []exchange{{request: "GET /users/nope", status: 404, want: lost}}},
		"no id: another route":        {steps: []exchange{{request: "GET /users/bulk", status: 404, want: lost}}},
		"no id: a path":               {steps: []exchange{created, {request: "GET /users/<id1>%2Fstate", status: 404, want: lost}}},
		"no id: a way out":            {steps: []exchange{{request: "GET /users/..%2Fums-config%2F", status: 404, want: "*"}}},
		"a parameter that is none":    {steps: []exchange{created, {request: "GET /users/<id1>?_l=1", status: 400, want: `{"error":"Bad Request","message":"querystring must NOT have additional properties. Property \"_l\" is not defined in validation schema","statusCode":400}`}}},
		"export":                      {steps: []exchange{both, {request: "GET /users/export?_p=username&_s=username", status: 200, want: "{\"_id\":\"<id1>\",\"username\":\"ann\"}\n{\"_id\":\"<id2>\",\"username\":\"bob\"}\n"}}},
		"export as JSON":              {steps: []exchange{created, {request: "GET /users/export?_p=username", header: "Accept: application/json", status: 200, want: "[\n{\"_id\":\"<id1>\",\"username\":\"ann\"}\n]\n"}}},
		"export as CSV":               {steps: []exchange{created, {request: "GET /users/export?_p=username", header: "Accept: text/csv", status: 200, want: "\"_id\",\"username\"\n\"<id1>\",\"ann\"\n"}}},
		"export as something else":    {steps: []exchange{{request: "GET /users/export", header: "Accept: application/xml", status: 406, want: `{"error":"Not Acceptable","message":"unsupported file type application/xml","statusCode":406}`}}},
		"export of nobody":            {steps: []exchange{{request: "GET /users/export", status: 200}}},
		"schema":                      {steps: []exchange{{request: "GET /users/schema", status: 200, want: "*"}}},
	} {
		t.Run(what, c.run)
	}
}

func TestValidatingUsers(t *testing.T) {
	t.Parallel()
	const validate = "POST /users/validate"
	ok := exchange{request: validate, body: newAnn, status: 200, want: `{"result":"ok"}`}
	for what, c := range map[string]conversation{
		"well":                          {steps: []exchange{ok, nobodyIn}},
		"well, though it is taken":      {steps: []exchange{created, ok}},
		"a field from the client":       {steps: []exchange{on400(validate, `{"userGroup":"customers","_id":"x"}`, "_id: cannot be set by the client")}},
		"a password that is no text":    {steps: []exchange{on400(validate, `{"userGroup":"customers","email":"a@example.com","password":5}`, "password: must be a string")}},
		"not as the schema says":        {steps: []exchange{on400(validate, `{"userGroup":"customers","email":"a@example.com","nope":1}`, `the user does not match the schema of group "customers": nope: is not declared by the schema`)}},
		"nothing to log in with":        {steps: []exchange{{request: "POST /crud/ums-config/", body: `{"userGroup":"free","label":"Free","crudSchema":{}}`, status: 200, want: "*"}, on400(validate, `{"userGroup":"free"}`, "username, email: an account needs one of them")}},
		"nothing to log in with, later": {steps: []exchange{{request: "POST /crud/ums-config/", body: `{"userGroup":"free","label":"Free","crudSchema":{}}`, status: 200, want: "*"}, {request: validate + "?postponeAuthUserCreation=true", body: `{"userGroup":"free"}`, status: 200, want: `{"result":"ok"}`}}},
		"a parameter that is no flag":   {steps: []exchange{on400(validate+"?postponeAuthUserCreation=x", newAnn, `postponeAuthUserCreation: must be true or false, not "x"`)}},
		"no object":                     {steps: []exchange{on400(validate, `null`, "body: must be an object, not null")}},
	} {
		t.Run(what, c.run)
	}
}

// TestValidationIsThatOfCreation: what is refused without being created is refused when it
// is to be created, in the same words.
func TestValidationIsThatOfCreation(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.must("POST", "/crud/ums-config/", `{"userGroup":"free","label":"Free","crudSchema":{}}`)
	for _, body := range []string{
		`{}`, `null`, `[]`, `{"userGroup":5}`, `{"userGroup":"nobody"}`, `{"userGroup":"customers"}`, `{"userGroup":"free"}`,
		`{"userGroup":"customers","email":"a","password":5}`, `{"userGroup":"customers","email":"a"}`, `{"userGroup":"customers","email":null}`,
		`{"userGroup":"customers","email":"a@example.com","blocked":"yes"}`, `{"userGroup":"customers","email":"a@example.com","roles":"x"}`,
		`{"userGroup":"customers","email":"a@example.com","expirationDate":"2001-01-01"}`, `{"userGroup":"customers","email":"a@example.com","nope":1}`,
		`{"userGroup":"customers","email":"a@example.com","authUserId":"x"}`, `{"userGroup":"customers","email":"a@example.com","__STATE__":"DRAFT"}`,
	} {
		for _, params := range []string{"", "?postponeAuthUserCreation=true", "?postponeAuthUserCreation=1", "?sendResetPwdEmail=x"} {
			asked := h.call("POST", "/users/validate"+params, body)
			done := h.call("POST", "/users/"+params, body)
			if asked.status < 300 && done.status < 300 {
				continue
			}
			if asked.status != done.status || asked.body != done.body {
				t.Errorf("%s %s: validated %d %s, created %d %s", params, body, asked.status, asked.body, done.status, done.body)
			}
		}
	}
}

func TestCreatingSeveralUsers(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]conversation{
		"two, one logs in":      {steps: []exchange{both, login(200, tokens)}},
		"accounts postponed":    {steps: []exchange{{request: bulkPath + "&postponeAuthUserCreation=true", body: "[" + newAnn + "]", status: 200, want: `[{"_id":"<id1>"}]`}, login(401, wrong)}},
		"mails that are sent":   {steps: []exchange{{request: "POST /users/bulk", body: "[" + newAnn + "]", status: 200, want: `[{"_id":"<id1>"}]`}, {request: "GET /fake/outbox?to=ann@example.com", status: 200, want: "*"}}},
		"a warning":             {steps: []exchange{{request: "POST /crud/ums-config/", body: `{"userGroup":"free","label":"Free","crudSchema":{}}`, status: 200, want: "*"}, {request: "POST /users/bulk", body: `[{"userGroup":"free","username":"x"}]`, status: 200, want: `[{"_id":"<id2>","warnings":["no change-password email was sent: the user has no email"]}]`}}},
		"none":                  {steps: []exchange{on400(bulkPath, `[]`, "body: must have at least one item")}},
		"null":                  {steps: []exchange{on400(bulkPath, `null`, "body: must be an array, not null")}},
		"no array":              {steps: []exchange{on400(bulkPath, newAnn, "body: must be an array, not object")}},
		"null among them":       {steps: []exchange{on400(bulkPath, `[`+newAnn+`,null]`, "body/1: must be an object"), nobodyIn}},
		"a number among them":   {steps: []exchange{on400(bulkPath, `[`+newAnn+`,5]`, "body/1: must be an object"), nobodyIn}},
		"an array among them":   {steps: []exchange{on400(bulkPath, `[[`+newAnn+`]]`, "body/0: must be an object"), nobodyIn}},
		"one that is wrong":     {steps: []exchange{on400(bulkPath, `[`+newAnn+`,{"userGroup":"customers","email":"nope"}]`, "body/1: email: must be an email address"), nobodyIn}},
		"two that are wrong":    {steps: []exchange{on400(bulkPath, `[`+newAnn+`,{"userGroup":"customers"},{"email":5}]`, `body/1: the user does not match the schema of group "customers": Required property 'email' is missing`), nobodyIn}},
		"a group that is none":  {steps: []exchange{on400(bulkPath, `[{"userGroup":"nobody"}]`, "body/0: userGroup: there is no group \"nobody\"")}},
		"no group":              {steps: []exchange{on400(bulkPath, `[`+newAnn+`,{"email":"a@example.com"}]`, "body/1: userGroup: is required")}},
		"a state":               {steps: []exchange{on400(bulkPath, `[`+newAnn+`,{"userGroup":"customers","__STATE__":"DRAFT"}]`, "body/1: __STATE__: cannot be set by the client")}},
		"too many":              {env: map[string]string{"USERS_BULK_LIMIT": "1"}, steps: []exchange{on400(bulkPath, both.body, "body: must not have more than 1 items; see PATCH /users/import, which takes any number"), nobodyIn}},
		"a body too large":      {env: map[string]string{"HTTP_MAX_BODY_BYTES": "10"}, steps: []exchange{{request: bulkPath, body: both.body, status: 413, want: "*"}}},
		"a type that is not":    {steps: []exchange{{request: bulkPath, body: both.body, header: "Content-Type: text/plain", status: 415, want: "*"}}},
		"one that is taken":     {steps: []exchange{created, {request: bulkPath, body: `[` + newBob + `,` + newAnn + `]`, status: 409, want: `{"statusCode":409,"error":"Conflict","message":"1 of 2 users were created; user 1: ` + taken + `","outcomes":[{"_id":"<id2>"},{"statusCode":409,"error":"Conflict","message":"` + taken + `"}]}`}}},
		"twice the same":        {steps: []exchange{{request: bulkPath, body: `[` + newAnn + `,` + newAnn + `,` + newBob + `]`, status: 409, want: "*"}, count("/users/count", "2"), login(200, tokens)}},
		"a broken group, alone": {steps: []exchange{{request: "POST /crud/ums-config/", body: `{"userGroup":"broken","label":"Broken","crudSchema":{"type":"strin"}}`, status: 200, want: "*"}, {request: bulkPath, body: `[{"userGroup":"broken"}]`, status: 500, want: "*"}, nobodyIn}},
	} {
		t.Run(what, c.run)
	}
}

// taken is what the embedded store says of an address that another user has.
const taken = `E11000 duplicate key error collection: ums.users index: email_unique dup key: { email: \"ann@example.com\" }`

func TestChangingSeveralUsers(t *testing.T) {
	t.Parallel()
	const patch = "PATCH /users/bulk"
	one := func(filter, update string) string { return `{"filter":` + filter + `,"update":` + update + `}` }
	done := func(n string, items ...string) exchange {
		return exchange{request: patch, body: "[" + strings.Join(items, ",") + "]", status: 200, want: n}
	}
	names := func(ann, bob string) exchange {
		return exchange{request: "GET /users/?_p=name&_s=username", status: 200, want: "[\n" + `{"_id":"<id1>"` + ann + "}\n,\n" + `{"_id":"<id2>"` + bob + "}\n]\n"}
	}
	refused := func(message string, items ...string) conversation {
		first := one(`{"_id":"<id1>"}`, `{"$set":{"name":"X"}}`)
		return conversation{steps: []exchange{both, on400(patch, "["+strings.Join(append([]string{first}, items...), ",")+"]", message), names("", "")}}
	}
	setName := `{"$set":{"name":"N"}}`
	for what, c := range map[string]conversation{
		"two by their ids":                     {steps: []exchange{both, done("2", one(`{"_id":"<id1>"}`, setName), one(`{"_id":"<ID2>"}`, `{"name":"M"}`)), names(`,"name":"N"`, `,"name":"M"`)}},
		"by a field":                           {steps: []exchange{both, done("1", one(`{"username":"bob"}`, setName)), names("", `,"name":"N"`)}},
		"the first match only":                 {steps: []exchange{created, bob, done("1", one(`{"userGroup":"customers"}`, setName)), names(`,"name":"N"`, "")}},
		"everybody's first":                    {steps: []exchange{created, bob, done("1", one(`{}`, setName)), names(`,"name":"N"`, "")}},
		"one after the other":                  {steps: []exchange{both, done("2", one(`{"_id":"<id1>"}`, `{"tags":["a"]}`), one(`{"_id":"<id1>"}`, `{"$push":{"tags":"b"}}`)), {request: "GET /users/<id1>?_p=tags", status: 200, want: `{"_id":"<id1>","tags":["a","b"]}`}}},
		"by a query":                           {steps: []exchange{both, done("1", one(`{"_q":"{\"username\":{\"$in\":[\"bob\"]}}"}`, setName)), names("", `,"name":"N"`)}},
		"by a query beside an id":              {steps: []exchange{both, done("0", one(`{"_id":"<id1>","_q":"{\"username\":\"bob\"}"}`, setName)), names("", "")}},
		"a query is never base64":              {steps: []exchange{both, {request: patch, header: "json-query-params-encoding: base64", body: "[" + one(`{"_q":"{\"username\":\"bob\"}"}`, setName) + "]", status: 200, want: "1"}}},
		"an empty query":                       {steps: []exchange{both, done("1", one(`{"_q":"","username":"bob"}`, setName))}},
		"a field beside an id":                 {steps: []exchange{both, done("0", one(`{"_id":"<id1>","username":"bob"}`, setName))}},
		"an unknown id":                        {steps: []exchange{both, done("1", one(`{"_id":"`+unknown+`"}`, setName), one(`{"_id":"<id1>"}`, setName))}},
		"another state":                        {steps: []exchange{both, {request: "POST /users/<id1>/state", body: `{"stateTo":"DRAFT"}`, status: 204}, done("0", one(`{"_id":"<id1>"}`, setName)), done("1", one(`{"_id":"<id1>","_st":"PUBLIC,DRAFT"}`, setName)), done("1", one(`{"username":"ann","_st":"DRAFT"}`, setName))}},
		"further keys":                         {steps: []exchange{both, {request: patch, body: `[{"filter":{"_id":"<id1>"},"update":` + setName + `,"note":1}]`, status: 200, want: "1"}}},
		"an empty change":                      {steps: []exchange{both, done("1", one(`{"_id":"<id1>"}`, `{}`))}},
		"an object to equal":                   {steps: []exchange{both, done("1", one(`{"_id":"<id1>"}`, `{"address":{"city":"Rome"}}`)), done("1", one(`{"address":{"city":"Rome"}}`, setName))}},
		"the query string is not looked at":    {steps: []exchange{both, {request: patch + "?nope=1&_st=TRASH", body: "[" + one(`{"_id":"<id1>"}`, setName) + "]", status: 200, want: "1"}}},
		"blocked reaches the account":          {steps: []exchange{both, done("1", one(`{"_id":"<id1>"}`, `{"$set":{"blocked":true}}`)), login(401, blocked)}},
		"a name that goes from one to another": {steps: []exchange{both, done("2", one(`{"_id":"<id1>"}`, `{"username":"cat"}`), one(`{"_id":"<id2>"}`, `{"username":"ann"}`))}},
		"acl_rows hides one":                   {steps: []exchange{both, {request: patch, header: `Acl_rows: {"username":"bob"}`, body: "[" + one(`{"_id":"<id1>"}`, setName) + "," + one(`{}`, setName) + "]", status: 200, want: "1"}, names("", `,"name":"N"`)}},
		"one that its group refuses": {steps: []exchange{both, {request: patch, body: "[" + one(`{"_id":"<id1>"}`, `{"nope":1}`) + "," + one(`{"_id":"<id2>"}`, setName) + "," + one(`{"_id":"`+unknown+`"}`, setName) + "]", status: 400,
			want: `{"statusCode":400,"error":"Bad Request","message":"1 of 3 users were changed; user 0: the user does not match the schema of group \"customers\": nope: is not declared by the schema","outcomes":[` +
				`{"_id":"<id1>","statusCode":400,"error":"Bad Request","message":"the user does not match the schema of group \"customers\": nope: is not declared by the schema"},{"_id":"<id2>","changed":1},{"_id":"` + "<id3>" + `","changed":0}]}`}, names("", `,"name":"N"`)}},
		"none":                           {steps: []exchange{on400(patch, `[]`, "body: must have at least one item")}},
		"no array":                       {steps: []exchange{on400(patch, `{}`, "body: must be an array, not object")}},
		"too many":                       {env: map[string]string{"USERS_BULK_LIMIT": "1"}, steps: []exchange{on400(patch, "["+one(`{}`, `{}`)+","+one(`{}`, `{}`)+"]", "body: must not have more than 1 items; send them in several requests")}},
		"null among them":                refused("body/1: must be an object", "null"),
		"no filter":                      refused("body/1: filter: is required and must be an object", `{"update":{}}`),
		"no update":                      refused("body/1: update: is required and must be an object", `{"filter":{}}`),
		"an id that is none":             refused("body/1: filter: _id: must be the id of a user", one(`{"_id":"nope"}`, setName)),
		"an operator in a filter":        refused("body/1: filter: username: must be a value to equal; operators belong into _q", one(`{"username":{"$ne":""}}`, setName)),
		"an operator for a filter":       refused("body/1: filter: $or: is not a field that can be filtered by", one(`{"$or":[]}`, setName)),
		"a state to filter by":           refused("body/1: filter: __STATE__: is not a field that can be filtered by", one(`{"__STATE__":"DRAFT"}`, setName)),
		"states that are none":           refused("body/1: filter: _st: must be states, separated by commas", one(`{"_st":"NONE"}`, setName)),
		"states that are no text":        refused("body/1: filter: _st: must be states, separated by commas", one(`{"_st":5}`, setName)),
		"a query that is no JSON":        refused("body/1: filter: _q: must be a text that holds a query as JSON", one(`{"_q":"{bad"}`, setName)),
		"a query that is no text":        refused("body/1: filter: _q: must be a text that holds a query as JSON", one(`{"_q":{"username":"bob"}}`, setName)),
		"a filter that is too long":      refused("body/1: filter: must not take more than 6144 bytes of a URL", one(`{"name":"`+strings.Repeat("x", 7000)+`"}`, setName)),
		"operators and plain fields":     refused("body/1: update: must hold operators or plain fields, not both", one(`{}`, `{"$set":{},"name":"X"}`)),
		"a field that cannot be changed": refused("body/1: update: __STATE__: cannot be changed by the client", one(`{}`, `{"$set":{"__STATE__":"DRAFT"}}`)),
		"a password":                     refused("body/1: update: password: cannot be changed here; see POST /users/change-password", one(`{}`, `{"password":"x"}`)),
	} {
		t.Run(what, c.run)
	}
}

func TestDeletingSeveralUsers(t *testing.T) {
	t.Parallel()
	deleted := func(query, want string) exchange {
		return exchange{request: "DELETE /users/" + query, status: 200, want: want}
	}
	refused := func(query, want string) conversation {
		return conversation{steps: []exchange{both, {request: "DELETE /users/" + query, status: 400, want: want}, count("/users/count", "2")}}
	}
	noneMeant := bad(400, "querystring: must say which users, by _q, _st or fields; _q={} means every one that is PUBLIC")
	asked := `?_q=%7B%22_id%22:%7B%22%24in%22:%5B%22<id1>%22,%22` + unknown + `%22%5D%7D%7D`
	for what, c := range map[string]conversation{
		"by their ids":                  {steps: []exchange{both, deleted(asked+"&_st=PUBLIC,TRASH", "1"), login(401, wrong), count("/users/count", "1")}},
		"by a field":                    {steps: []exchange{both, deleted("?username=bob", "1"), login(200, tokens)}},
		"by a field, nobody":            {steps: []exchange{both, deleted("?username=cat", "0"), count("/users/count", "2")}},
		"everybody":                     {steps: []exchange{both, deleted("?_q={}", "2"), login(401, wrong), nobodyIn}},
		"nobody in particular":          refused("", noneMeant),
		"an empty query":                refused("?_q=", noneMeant),
		"an empty query beside a field": refused("?_q=&username=ann", noneMeant),
		"only those in a state":         {steps: []exchange{both, {request: "POST /users/<id1>/state", body: `{"stateTo":"TRASH"}`, status: 204}, deleted("?_st=TRASH", "1"), count("/users/count", "1")}},
		"PUBLIC unless told":            {steps: []exchange{both, {request: "POST /users/<id1>/state", body: `{"stateTo":"TRASH"}`, status: 204}, deleted("?userGroup=customers", "1"), count("/users/count?_st=TRASH", "1")}},
		"a query in base64":             {steps: []exchange{both, {request: "DELETE /users/?_q=eyJ1c2VybmFtZSI6ImJvYiJ9", header: "json-query-params-encoding: base64", status: 200, want: "1"}, count("/users/count?username=ann", "1")}},
		"acl_rows hides one":            {steps: []exchange{both, {request: "DELETE /users/?_q={}", header: `Acl_rows: {"username":"bob"}`, status: 200, want: "1"}, count("/users/count?username=ann", "1")}},
		"hidden columns":                {steps: []exchange{both, {request: "DELETE /users/?_q={}", header: "Acl_read_columns: username", status: 200, want: "2"}, nobodyIn}},
		"a body, as pages send it":      {steps: []exchange{both, {request: "DELETE /users/?username=bob", body: "{}", status: 200, want: "1"}}},
		"without a slash":               {steps: []exchange{both, {request: "DELETE /users?username=bob", status: 200, want: "1"}}},
		"_p":                            refused("?_p=username", additional("_p")),
		"_l":                            refused("?_l=1", additional("_l")),
		"_s":                            refused("?_s=username", additional("_s")),
		"_sk":                           refused("?_sk=1", additional("_sk")),
		"_rawp":                         refused("?_rawp={}", additional("_rawp")),
		"_exportOpts":                   refused("?_exportOpts={}", additional("_exportOpts")),
		"_useEstimate":                  refused("?_useEstimate=true", additional("_useEstimate")),
		"_id":                           refused("?_id="+unknown, additional("_id")),
		"_p, written otherwise":         refused("?%5Fp=username", additional("_p")),
		"states that are none":          refused("?_st=ALL", `{"statusCode":400,"error":"Bad Request","message":"querystring/_st must match pattern \"(PUBLIC|DRAFT|TRASH|DELETED)(,(PUBLIC|DRAFT|TRASH|DELETED))*\""}`),
		"an operator that is not known": refused("?_q=%7B%22username%22:%7B%22%24not%22:1%7D%7D", `{"statusCode":400,"error":"Bad Request","message":"Unsupported operator: $not"}`),
		"a query that is no JSON":       refused("?_q=%7Bbad", `*`),
		"what cannot be read":           refused("?username=%zz", `{"statusCode":400,"error":"Bad Request","message":"querystring: cannot be read: invalid URL escape \"%zz\""}`),
		"too many": {env: map[string]string{"USERS_BULK_LIMIT": "2"}, steps: []exchange{both, {request: noMail, body: `{"userGroup":"customers","email":"cat@example.com"}`, status: 200, want: "*"},
			on400("DELETE /users/?_q={}", "", "more than 2 users match, and none was deleted: ask for fewer, by _q or a field"), count("/users/count", "3"), deleted("?username=ann", "1")}},
	} {
		t.Run(what, c.run)
	}
}

func TestChangingOneState(t *testing.T) {
	t.Parallel()
	to := func(state string, status int, want string) exchange {
		return exchange{request: "POST /users/<id1>/state", body: `{"stateTo":"` + state + `"}`, status: status, want: want}
	}
	not := func(from, to string) string { return bad(400, "transition from "+from+" to "+to+" not allowed.") }
	lost := bad(404, "not found")
	one := "must be one of PUBLIC, DRAFT, TRASH, DELETED"
	for what, c := range map[string]conversation{
		"every transition there is": {steps: []exchange{created, to("DRAFT", 204, ""), login(401, blocked), to("PUBLIC", 204, ""), login(200, tokens), to("TRASH", 204, ""), to("DRAFT", 204, ""), to("TRASH", 204, ""), to("DELETED", 204, ""), login(401, wrong), to("TRASH", 204, "")}},
		"every one that is not": {steps: []exchange{created, to("DELETED", 400, not("PUBLIC", "DELETED")), to("DRAFT", 204, ""), to("DELETED", 400, not("DRAFT", "DELETED")), to("TRASH", 204, ""),
			to("PUBLIC", 400, not("TRASH", "PUBLIC")), to("DELETED", 204, ""), to("PUBLIC", 400, not("DELETED", "PUBLIC")), to("DRAFT", 400, not("DELETED", "DRAFT"))}},
		"the same":                    {steps: []exchange{created, to("PUBLIC", 204, ""), login(200, tokens), to("DRAFT", 204, ""), to("DRAFT", 204, ""), login(401, blocked), to("TRASH", 204, ""), to("TRASH", 204, ""), to("DELETED", 204, ""), to("DELETED", 204, "")}},
		"DELETED keeps the account":   {env: map[string]string{"AUTH_HARD_DELETE": "false"}, steps: []exchange{created, to("TRASH", 204, ""), to("DELETED", 204, ""), login(401, blocked)}},
		"a state that is none":        {steps: []exchange{created, to("HIDDEN", 400, bad(400, "stateTo: "+one))}},
		"no state":                    {steps: []exchange{on400("POST /users/"+unknown+"/state", `{}`, "stateTo: is required")}},
		"no object":                   {steps: []exchange{on400("POST /users/"+unknown+"/state", `[]`, "body: must be an object, not array")}},
		"further fields":              {steps: []exchange{created, {request: "POST /users/<id1>/state", body: `{"stateTo":"DRAFT","why":"test"}`, status: 204}}},
		"a field that matches":        {steps: []exchange{created, {request: "POST /users/<id1>/state?username=ann", body: `{"stateTo":"DRAFT"}`, status: 204}}},
		"a field that does not":       {steps: []exchange{created, {request: "POST /users/<id1>/state?username=bob", body: `{"stateTo":"DRAFT"}`, status: 404, want: lost}}},
		"a query that does not":       {steps: []exchange{created, {request: "POST /users/<id1>/state?_q=%7B%22username%22:%22bob%22%7D", body: `{"stateTo":"DRAFT"}`, status: 404, want: lost}}},
		"acl_rows hides the user":     {steps: []exchange{created, {request: "POST /users/<id1>/state", header: `Acl_rows: {"username":"bob"}`, body: `{"stateTo":"DRAFT"}`, status: 404, want: lost}}},
		"a query that is no JSON":     {steps: []exchange{created, {request: "POST /users/<id1>/state?_q=%7Bbad", body: `{"stateTo":"DRAFT"}`, status: 400, want: "*"}}},
		"_st":                         {steps: []exchange{created, {request: "POST /users/<id1>/state?_st=PUBLIC", body: `{"stateTo":"DRAFT"}`, status: 400, want: additional("_st")}}},
		"_p":                          {steps: []exchange{created, {request: "POST /users/<id1>/state?_p=username", body: `{"stateTo":"DRAFT"}`, status: 400, want: additional("_p")}}},
		"an unknown user":             {steps: []exchange{{request: "POST /users/" + unknown + "/state", body: `{"stateTo":"DRAFT"}`, status: 404, want: lost}}},
		"no id":                       {steps: []exchange{{request: "POST /users/nope/state", body: `{"stateTo":"DRAFT"}`, status: 404, want: lost}}},
		"several, a single one":       {steps: []exchange{created, {request: "POST /users/state", body: `{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}`, status: 200, want: "1"}, login(401, blocked)}},
		"several, a single one wrong": {steps: []exchange{on400("POST /users/state", `{"filter":{},"stateTo":"GONE"}`, "stateTo: "+one), on400("POST /users/state", `{"filter":{},"stateTo":"TRASH","x":1}`, "x: is not a field of this request")}},
	} {
		t.Run(what, c.run)
	}
}

func TestContentTypesForPages(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.must("POST", "/users/?sendResetPwdEmail=false", ann)
	want := "application/json; charset=utf-8"
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/users/<id1>", ""},
		{"GET", "/users/schema", ""},
		{"POST", "/users/validate", ann},
		{"POST", "/users/bulk", "[" + newBob + "]"},
		{"PATCH", "/users/bulk", `[{"filter":{"_id":"<id1>"},"update":{}}]`},
		{"POST", "/users/state", `{"filter":{"_id":"<id1>"},"stateTo":"DRAFT"}`},
		{"DELETE", "/users/?username=nobody", ""},
	} {
		if diff := cmp.Diff(want, h.must(c.method, c.path, c.body).header.Get("Content-Type")); diff != "" {
			t.Errorf("%s %s, content type (-want +got):\n%s", c.method, c.path, diff)
		}
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/users/<id1>/state", `{"stateTo":"DRAFT"}`},
		{"DELETE", "/users/<id1>", ""},
	} {
		got := h.must(c.method, c.path, c.body)
		if got.status != http.StatusNoContent || got.header.Get("Content-Type") != "" || got.body != "" {
			t.Errorf("%s %s = %d %q with a body of %q", c.method, c.path, got.status, got.header.Get("Content-Type"), got.body)
		}
	}
}

// TestFixedSchema: what the store's own schema does not know is told, with the place that
// it has in the request.
func TestFixedSchema(t *testing.T) {
	t.Parallel()
	env := map[string]string{"COLLECTION_DEFINITION_FOLDER": "examples/mia-platform/collections", "USER_GROUPS_FILE": "none"}
	group := exchange{request: "POST /crud/ums-config/", body: `{"userGroup":"free","label":"Free","crudSchema":{"additionalProperties":true}}`, status: 200, want: "*"}
	user := func(fields string) string {
		return `{"userGroup":"free","username":"ann","email":"ann@example.com"` + fields + `}`
	}
	const words = ` must NOT have additional properties. Property "nope" is not defined in validation schema`
	for what, c := range map[string]conversation{
		"validate":       {env: env, steps: []exchange{group, on400("POST /users/validate", user(`,"nope":1`), "body"+words)}},
		"create":         {env: env, steps: []exchange{group, on400("POST /users/", user(`,"nope":1`), "body"+words), nobodyIn}},
		"create several": {env: env, steps: []exchange{group, on400("POST /users/bulk", "["+user("")+","+user(`,"nope":1`)+"]", "body/1"+words), nobodyIn}},
		"well":           {env: env, steps: []exchange{group, {request: bulkPath, body: "[" + user("") + "]", status: 200, want: "*"}}},
	} {
		t.Run(what, c.run)
	}
}

// TestLimitsOfTheCallerReachTheStore: where the caller says which users are meant, acl_rows
// goes along with every look at them.
func TestLimitsOfTheCallerReachTheStore(t *testing.T) {
	t.Parallel()
	limits := []string{`Acl_rows: {"username":"ann"}`, "Acl_read_columns: username", "Acl_write_columns: name"}
	for what, c := range map[string]struct {
		request, body string
		want          map[string][]string // by call
	}{
		"delete": {"DELETE /users/?_q={}", "", map[string][]string{"GET /users/export": {"Acl_rows"}, "GET /users/:id": {"Acl_rows"}}},
		"change": {"PATCH /users/bulk", `[{"filter":{},"update":{"name":"A"}}]`,
			map[string][]string{"GET /users/": {"Acl_rows"}, "GET /users/:id": {"Acl_rows"}, "PATCH /users/:id": {"Acl_rows", "Acl_write_columns"}}},
		"state":  {"POST /users/<id1>/state", `{"stateTo":"TRASH"}`, map[string][]string{"GET /users/:id": {"Acl_rows"}}},
		"one":    {"GET /users/<id1>", "", map[string][]string{"GET /users/:id": {"Acl_rows", "Acl_read_columns", "Acl_write_columns"}}},
		"export": {"GET /users/export", "", map[string][]string{"GET /users/export": {"Acl_rows", "Acl_read_columns", "Acl_write_columns"}}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h, remote := remoteHarness(t, nil)
			h.must("POST", "/users/?sendResetPwdEmail=false", ann)
			remote.took()
			method, path, _ := strings.Cut(c.request, " ")
			h.must(method, path, c.body, limits...)
			got := map[string][]string{}
			for _, call := range remote.took() {
				for _, name := range []string{"Acl_rows", "Acl_read_columns", "Acl_write_columns"} {
					if call.header.Get(name) != "" && !slices.Contains(got[call.call], name) {
						got[call.call] = append(got[call.call], name)
					}
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("limits by call (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDeletionTooLongForTheStore: a query string may be longer than the store takes.
func TestDeletionTooLongForTheStore(t *testing.T) {
	t.Parallel()
	h, remote := remoteHarness(t, nil)
	remote.next = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge) })
	got := h.call("DELETE", "/users/?username=ann", "")
	if want := bad(414, "querystring: is too long for the store"); got.status != 414 || got.body != want {
		t.Errorf("%d %s, want %s", got.status, got.body, want)
	}
}
