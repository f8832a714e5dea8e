package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An exchange is a request and what it must be answered. In path, body and want stand
// placeholders, see placeholders.hide; an empty want with a 2xx status is an empty
// body, "*" is any.
type exchange struct {
	request string // "POST /users/"
	body    string
	header  string // "Name: value", one
	status  int
	want    string
}

// bad is the error body of a status and message.
func bad(status int, message string) string {
	quoted := strings.ReplaceAll(strings.ReplaceAll(message, `\`, `\\`), `"`, `\"`)
	return `{"statusCode":` + itoa(status) + `,"error":"` + http.StatusText(status) + `","message":"` + quoted + `"}`
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// on400 is an exchange that is refused with a 400.
func on400(request, body, message string) exchange {
	return exchange{request: request, body: body, status: 400, want: bad(400, message)}
}

type conversation struct {
	env   map[string]string
	steps []exchange
}

func (c conversation) run(t *testing.T) {
	t.Parallel()
	h := newHarness(t, c.env)
	for i, step := range c.steps {
		method, path, _ := strings.Cut(step.request, " ")
		var header []string
		if step.header != "" {
			header = append(header, step.header)
		}
		got := h.call(method, path, step.body, header...)
		if got.status != step.status || step.want != "*" && got.body != step.want {
			t.Errorf("step %d: %s %s\n got %d %s\nwant %d %s", i+1, step.request, step.body, got.status, got.body, step.status, step.want)
		}
	}
}

const (
	newAnn   = `{"userGroup":"customers","email":"ann@example.com","username":"ann","password":"correct horse"}`
	noMail   = "POST /users/?sendResetPwdEmail=false"
	aCreated = `{"_id":"<id1>"}`
)

var created = exchange{request: noMail, body: newAnn, status: 200, want: aCreated}

// linked makes <id2> stand in the user's authUserId, fake|<id2>.
var linked = exchange{request: "GET /users/?_p=authUserId", status: 200, want: "[\n" + `{"_id":"<id1>","authUserId":"fake|<id2>"}` + "\n]\n"}

// whole is Ann as GET /users/ shows her, with more fields in their place.
func whole(state, more string) string {
	return `{"_id":"<id1>","__STATE__":"` + state + `","creatorId":"public","createdAt":"<time>","updaterId":"public","updatedAt":"<time>",` + more + `}`
}

func login(status int, want string) exchange {
	return exchange{request: "POST /oauth/token", body: `{"username":"ann","password":"correct horse"}`, status: status, want: want}
}

const (
	tokens  = `{"accessToken":"<token1>","refreshToken":"<refresh1>","expireAt":"<time>"}`
	blocked = `{"statusCode":401,"error":"Unauthorized","message":"user is blocked"}`
	wrong   = `{"statusCode":401,"error":"Unauthorized","message":"Wrong email or password."}`
)

func TestHTTPInGeneral(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]conversation{
		"unknown route":               {steps: []exchange{{request: "GET /nowhere", status: 404, want: bad(404, "there is no route GET /nowhere")}}},
		"route with another method":   {steps: []exchange{{request: "PUT /users/", body: "{}", status: 405, want: bad(405, "PUT is not allowed here; allowed is DELETE, GET, HEAD, POST")}}},
		"without a trailing slash":    {steps: []exchange{{request: "POST /users?sendResetPwdEmail=false", body: newAnn, status: 200, want: aCreated}}},
		"with a trailing slash":       {steps: []exchange{created, {request: "DELETE /users/<id1>/", status: 204}}},
		"count with a trailing slash": {steps: []exchange{{request: "GET /users/count/", status: 200, want: "0"}}},
		"under the prefix": {env: map[string]string{"SERVICE_PREFIX": "/ums"}, steps: []exchange{
			{request: "GET /ums/users/count", status: 200, want: "0"},
			{request: "GET /users/count", status: 404, want: bad(404, "there is no route GET /users/count")},
			{request: "GET /-/healthz", status: 200, want: `*`},
			{request: "GET /ums/-/healthz", status: 404, want: "*"},
			{request: "GET /ums/crud/users/count", status: 200, want: "0"},
			{request: "GET /ums/fake/outbox", status: 200, want: "*"},
		}},
		"wrong media type": {steps: []exchange{{request: "POST /users/", body: "a=b", header: "Content-Type: text/plain", status: 415,
			want: bad(415, `Content-Type: must be application/json, not "text/plain"`)}}},
		"malformed JSON":                               {steps: []exchange{on400("POST /users/", `{"a":`, "body: is not valid JSON: it ends too early")}},
		"something after JSON":                         {steps: []exchange{on400("POST /users/", `{} {}`, "body: something follows the JSON value")}},
		"null for an object":                           {steps: []exchange{on400("POST /users/", `null`, "body: must be an object, not null")}},
		"array for an object":                          {steps: []exchange{on400("POST /users/", `[]`, "body: must be an object, not array")}},
		"object without its fields":                    {steps: []exchange{on400("POST /users/state", `{}`, "filter: is required; stateTo: is required")}},
		"unknown field":                                {steps: []exchange{on400("POST /users/register", `{"_id":"x","nope":1}`, "nope: is not a field of this request")}},
		"field of another type":                        {steps: []exchange{on400("POST /users/change-password", `{"authUserId":5}`, "authUserId: must be a string, not number")}},
		"missing field":                                {steps: []exchange{on400("POST /users/change-password", `{}`, "authUserId: is required")}},
		"flag that is none":                            {steps: []exchange{on400("POST /users/?postponeAuthUserCreation=yes", `{}`, `postponeAuthUserCreation: must be true or false, not "yes"`)}},
		"body over its limit":                          {env: map[string]string{"HTTP_MAX_BODY_BYTES": "10"}, steps: []exchange{{request: "POST /users/", body: newAnn, status: 413, want: bad(413, "body: must not be larger than 10 bytes")}}},
		"website scope: refreshed by the cookie alone": {env: map[string]string{"FAKE_WEBSITE_SCOPE": "true"}, steps: []exchange{{request: "POST /refreshtoken", header: "Cookie: sid=x", status: 401, want: "*"}}},
		"refused by the store":                         {steps: []exchange{{request: "GET /users/?_q=%7B%22a%22%3A%7B%22%24nor%22%3A1%7D%7D", status: 400, want: "*"}}},
		"status routes are well":                       {steps: []exchange{{request: "GET /-/healthz", status: 200, want: `{"name":"user-manager","status":"OK","version":"dev"}`}, {request: "GET /-/ready", status: 200, want: `{"name":"user-manager","status":"OK","version":"dev"}`}, {request: "GET /-/check-up", status: 200, want: `{"name":"user-manager","status":"OK","version":"dev","unsettledOperations":0` + depending("", upstreamsClosed) + `}`}}},
		"ids that are other routes": {steps: []exchange{created,
			{request: "DELETE /users/schema", status: 500, want: bad(500, "Error while deleting user: CRUD GET /users/:id responded with a 404 status code")},
			{request: "PATCH /users/export", body: `{"name":"x"}`, status: 500, want: bad(500, "Error while updating user: CRUD PATCH /users/:id responded with a 404 status code")},
			{request: "POST /users/count/soft-delete", status: 500, want: bad(500, "Error while soft deleting user: CRUD GET /users/:id responded with a 404 status code")},
			{request: "POST /users/register", body: `{"_id":".."}`, status: 404, want: bad(404, "_id: there is no such user")},
			{request: "GET /users/count", status: 200, want: "1"}}},
		"id in capitals":      {steps: []exchange{{request: "POST /crud/users/", body: `{"userGroup":"customers"}`, status: 200, want: aCreated}, {request: "DELETE /users/<ID1>", status: 204}}},
		"a path with //":      {steps: []exchange{{request: "GET /users//count", status: 404, want: bad(404, "there is no route GET /users//count")}}},
		"not UTF-8":           {steps: []exchange{on400("POST /users/", "{\"userGroup\":\"\xe9\"}", "body: is not UTF-8")}},
		"another charset":     {steps: []exchange{{request: "POST /users/", body: `{}`, header: "Content-Type: application/json; charset=iso-8859-1", status: 415, want: bad(415, `Content-Type: the charset of JSON is utf-8, not "iso-8859-1"`)}}},
		"null for an array":   {steps: []exchange{on400("POST /users/state", `null`, "body: must be an array, not null")}},
		"number out of range": {steps: []exchange{on400("POST /users/", `{"n":1e400}`, "body: the number 1e400 is too large")}},
		"HEAD of the list":    {steps: []exchange{created, {request: "HEAD /users/", status: 200, want: "*"}}},
	} {
		t.Run(what, c.run)
	}
}

func TestCreatingUsers(t *testing.T) {
	t.Parallel()
	refused := map[string]exchange{}
	for _, field := range []string{"_id", "__STATE__", "authUserId", "expirationId", "creatorId", "createdAt", "updaterId", "updatedAt"} {
		refused[field+" from the client"] = on400("POST /users/", `{"userGroup":"customers","email":"a@example.com","`+field+`":"x"}`, field+": cannot be set by the client")
	}
	for what, step := range refused {
		t.Run(what, conversation{steps: []exchange{step}}.run)
	}
	schema := `the user does not match the schema of group "customers": `
	for what, c := range map[string]conversation{
		"create, list, log in": {steps: []exchange{created, linked, login(200, tokens)}},
		"all fields": {steps: []exchange{
			{request: noMail, body: `{"userGroup":"customers","email":"ann@example.com","username":"ann","blocked":true,"roles":["editor"],"expirationDate":"2999-01-02","name":"Ann","tags":["a"],"address":{"city":"Rome"}}`, status: 200, want: aCreated},
			linked,
			{request: "GET /users/", status: 200, want: "[\n" + whole("PUBLIC", `"userGroup":"customers","authUserId":"fake|<id2>","username":"ann","email":"ann@example.com","blocked":true,"expirationDate":"<time>","expirationId":"<id3>","roles":["editor"],"address":{"city":"Rome"},"name":"Ann","tags":["a"]`) + "\n]\n"},
		}},
		"blocked: cannot log in":  {steps: []exchange{{request: noMail, body: strings.Replace(newAnn, "{", `{"blocked":true,`, 1), status: 200, want: aCreated}, login(401, blocked)}},
		"no userGroup":            {steps: []exchange{on400("POST /users/", `{"email":"a@example.com"}`, "userGroup: is required")}},
		"userGroup of a number":   {steps: []exchange{on400("POST /users/", `{"userGroup":5}`, "userGroup: must be a string, not number")}},
		"group that is not there": {steps: []exchange{on400("POST /users/", `{"userGroup":"nobody","email":"a@example.com"}`, `userGroup: there is no group "nobody"`)}},
		"group whose schema does not compile": {steps: []exchange{
			{request: "POST /crud/ums-config/", body: `{"userGroup":"broken","label":"Broken","crudSchema":{"type":"strin"}}`, status: 200, want: "*"},
			{request: "POST /users/", body: `{"userGroup":"broken"}`, status: 500, want: bad(500, `the crudSchema of group "broken" does not compile: type strin is not one of string, number, integer, boolean, array, object, null`)},
		}},
		"schema changed meanwhile": {steps: []exchange{
			{request: "POST /crud/ums-config/", body: `{"userGroup":"fresh","label":"Fresh","authUserCreationDisabled":true,"crudSchema":{"properties":{"a":{"type":"string"}}}}`, status: 200, want: aCreated},
			on400("POST /users/", `{"userGroup":"fresh","b":1}`, `the user does not match the schema of group "fresh": b: is not declared by the schema`),
			{request: "PATCH /crud/ums-config/<id1>", body: `{"$set":{"crudSchema":{"properties":{"b":{"type":"number"}}}}}`, status: 200, want: "*"},
			{request: "POST /users/", body: `{"userGroup":"fresh","b":1}`, status: 200, want: "*"},
		}},
		"field not declared":            {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":"a@example.com","nope":1}`, schema+"nope: is not declared by the schema")}},
		"field required by the schema":  {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","username":"a"}`, schema+"Required property 'email' is missing")}},
		"format of the schema":          {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":"a@example.com","birthDate":"yesterday"}`, schema+"birthDate: Value does not match format 'date'")}},
		"email that is none":            {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":"nope"}`, "email: must be an email address")}},
		"null for a standard field":     {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":null}`, "email: must not be null")}},
		"blocked that is no boolean":    {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":"a@example.com","blocked":"yes"}`, "blocked: must be a boolean, not string")}},
		"roles that are no list":        {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":"a@example.com","roles":"x"}`, "roles: must be an array of strings, not string")}},
		"expirationDate that is none":   {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":"a@example.com","expirationDate":"soon"}`, "expirationDate: must be an RFC 3339 date-time or a date")}},
		"expirationDate in the past":    {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":"a@example.com","expirationDate":"2001-01-01T00:00:00Z"}`, "expirationDate: must be in the future")}},
		"password that is no text":      {steps: []exchange{on400("POST /users/", `{"userGroup":"customers","email":"a@example.com","password":5}`, "password: must be a string")}},
		"account without a name":        {steps: []exchange{{request: "POST /crud/ums-config/", body: `{"userGroup":"free","label":"Free","crudSchema":{}}`, status: 200, want: "*"}, on400("POST /users/", `{"userGroup":"free"}`, "username, email: an account needs one of them")}},
		"username taken":                {steps: []exchange{created, {request: noMail, body: `{"userGroup":"customers","email":"b@example.com","username":"ann"}`, status: 409, want: "*"}, {request: "GET /users/count", status: 200, want: "1"}}},
		"mail that cannot be sent":      {steps: []exchange{{request: "POST /crud/ums-config/", body: `{"userGroup":"free","label":"Free","crudSchema":{}}`, status: 200, want: "*"}, {request: "POST /users/", body: `{"userGroup":"free","username":"ann"}`, status: 200, want: `{"_id":"<id2>","warnings":["no change-password email was sent: the user has no email"]}`}}},
		"mail with a link":              {steps: []exchange{{request: "POST /users/", body: newAnn, status: 200, want: aCreated}, {request: "GET /fake/outbox?to=ann@example.com", status: 200, want: "*"}}},
		"password is not stored":        {steps: []exchange{created, {request: "GET /users/?_p=password", status: 200, want: "[\n" + aCreated + "\n]\n"}}},
		"group without accounts":        {steps: []exchange{{request: "POST /users/", body: `{"userGroup":"contacts","name":"Ann"}`, status: 200, want: aCreated}, {request: "GET /users/?_p=authUserId", status: 200, want: "[\n" + aCreated + "\n]\n"}}},
		"account taken at the provider": {steps: []exchange{created, {request: "DELETE /crud/users/<id1>", status: 204}, {request: noMail, body: newAnn, status: 409, want: "*"}, {request: "GET /users/count", status: 200, want: "0"}}},
	} {
		t.Run(what, c.run)
	}
}

func TestPostponedAccounts(t *testing.T) {
	t.Parallel()
	postponed := exchange{request: "POST /users/?postponeAuthUserCreation=true", body: newAnn, status: 200, want: aCreated}
	register := exchange{request: "POST /users/register?sendResetPwdEmail=false", body: `{"_id":"<id1>","password":"correct horse"}`, status: 204}
	for what, c := range map[string]conversation{
		"postponed, registered, logs in": {steps: []exchange{postponed, login(401, wrong), register, login(200, tokens)}},
		"registered twice":               {steps: []exchange{postponed, register, {request: register.request, body: register.body, status: 409, want: bad(409, "_id: the user has an account already")}}},
		"unknown user":                   {steps: []exchange{{request: register.request, body: `{"_id":"65f1c0ffee65f1c0ffee65f1"}`, status: 404, want: bad(404, "_id: there is no such user")}}},
		"no id":                          {steps: []exchange{on400("POST /users/register", `{}`, "_id: is required")}},
		"group without accounts":         {steps: []exchange{{request: "POST /users/", body: `{"userGroup":"contacts","name":"Ann"}`, status: 200, want: aCreated}, on400("POST /users/register", `{"_id":"<id1>"}`, `userGroup: users of group "contacts" get no account`)}},
		"DELETED meanwhile":              {steps: []exchange{postponed, {request: "POST /users/<id1>/soft-delete", status: 204}, {request: register.request, body: register.body, status: 409, want: bad(409, "_id: the user is in the state DELETED")}}},
		"blocked meanwhile":              {steps: []exchange{postponed, {request: "PATCH /users/<id1>", body: `{"blocked":true}`, status: 200, want: "*"}, register, login(401, blocked)}},
		"random password despite the given one": {env: map[string]string{"RANDOM_PWD_GEN": "true"}, steps: []exchange{
			postponed, register, login(401, wrong)}},
	} {
		t.Run(what, c.run)
	}
}

func TestUsersOfExistingAccounts(t *testing.T) {
	t.Parallel()
	orphan := []exchange{created, linked, {request: "DELETE /crud/users/<id1>", status: 204}}
	adopted := exchange{request: "POST /users/with-id", body: `{"authUserId":"fake|<id2>","userGroup":"customers"}`, status: 200, want: `{"_id":"<id3>"}`}
	after := func(steps ...exchange) conversation {
		return conversation{steps: append(append([]exchange{}, orphan...), steps...)}
	}
	for what, c := range map[string]conversation{
		"name and address are the account's": after(adopted, exchange{request: "GET /users/?_p=username,email", status: 200, want: "[\n" + `{"_id":"<id3>","username":"ann","email":"ann@example.com"}` + "\n]\n"}, login(200, tokens)),
		"in the store already":               after(adopted, exchange{request: adopted.request, body: adopted.body, status: 409, want: bad(409, "authUserId: there is a user with this account already")}),
		"unknown account":                    {steps: []exchange{{request: adopted.request, body: `{"authUserId":"fake|nobody","userGroup":"customers"}`, status: 404, want: bad(404, "authUserId: the provider knows no such account")}}},
		"no account named":                   {steps: []exchange{on400(adopted.request, `{"userGroup":"customers"}`, "authUserId: is required and must be the id of an account")}},
		"blocked blocks the account":         after(exchange{request: adopted.request, body: `{"authUserId":"fake|<id2>","userGroup":"customers","blocked":true}`, status: 200, want: `{"_id":"<id3>"}`}, login(401, blocked)),
		"another address than the account's": after(on400(adopted.request, `{"authUserId":"fake|<id2>","userGroup":"customers","email":"bob@example.com"}`, "email: is not that of the account")),
		"expirationId":                       after(on400(adopted.request, `{"authUserId":"fake|<id2>","userGroup":"customers","expirationId":"x"}`, "expirationId: cannot be set by the client")),
		"not as the schema says":             after(on400(adopted.request, `{"authUserId":"fake|<id2>","userGroup":"customers","nope":1}`, `the user does not match the schema of group "customers": nope: is not declared by the schema`)),
		"no userGroup":                       after(on400(adopted.request, `{"authUserId":"fake|<id2>"}`, `userGroup: is required`)),
	} {
		t.Run(what, c.run)
	}
}

func TestChangingUsers(t *testing.T) {
	t.Parallel()
	patch := "PATCH /users/<id1>"
	refused := map[string]exchange{}
	for _, path := range []string{"_id", "__STATE__", "authUserId", "authUserId.x", "expirationId", "createdAt"} {
		refused["$set of "+path] = on400(patch, `{"$set":{"`+path+`":"x"}}`, path+": cannot be changed by the client")
		refused["$unset of "+path] = on400(patch, `{"$unset":{"`+path+`":true}}`, path+": cannot be changed by the client")
		refused["plain "+path] = on400(patch, `{"`+path+`":"x"}`, path+": cannot be changed by the client")
	}
	for what, step := range refused {
		t.Run(what, conversation{steps: []exchange{created, step}}.run)
	}
	newEmail := `{"username":"anna@example.com","password":"correct horse"}`
	for what, c := range map[string]conversation{
		"plain fields are set": {steps: []exchange{created, linked, {request: patch, body: `{"name":"Anna"}`, status: 200, want: "*"}, {request: "GET /users/?_p=name", status: 200, want: "[\n" + `{"_id":"<id1>","name":"Anna"}` + "\n]\n"}}},
		"operators": {steps: []exchange{created,
			{request: patch, body: `{"$set":{"name":"Anna","tags":["a"]}}`, status: 200, want: "*"},
			{request: patch, body: `{"$push":{"tags":"b"},"$unset":{"name":true}}`, status: 200, want: "*"},
			{request: patch, body: `{"$addToSet":{"tags":"b"}}`, status: 200, want: "*"},
			{request: patch, body: `{"$pull":{"tags":"a"}}`, status: 200, want: "*"},
			{request: "GET /users/?_p=name,tags", status: 200, want: "[\n" + `{"_id":"<id1>","tags":["b"]}` + "\n]\n"}}},
		"operators and plain fields":      {steps: []exchange{created, on400(patch, `{"$set":{"name":"A"},"surname":"B"}`, "body: must hold operators or plain fields, not both")}},
		"operator that is none":           {steps: []exchange{created, {request: patch, body: `{"$rename":{"name":"a"}}`, status: 400, want: "*"}}},
		"email reaches the account":       {steps: []exchange{created, {request: patch, body: `{"email":"anna@example.com"}`, status: 200, want: "*"}, {request: "POST /oauth/token", body: newEmail, status: 200, want: "*"}}},
		"blocked reaches the account":     {steps: []exchange{created, {request: patch, body: `{"blocked":true}`, status: 200, want: "*"}, login(401, blocked), {request: patch, body: `{"$unset":{"blocked":true}}`, status: 200, want: "*"}, login(200, tokens)}},
		"unblocked in TRASH stays out":    {steps: []exchange{created, {request: patch, body: `{"blocked":true}`, status: 200, want: "*"}, {request: "POST /users/state", body: `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`, status: 200, want: "1"}, {request: patch + "?_st=TRASH", body: `{"blocked":false}`, status: 200, want: "*"}, login(401, blocked)}},
		"not as the schema says":          {steps: []exchange{created, on400(patch, `{"nope":1}`, `the user does not match the schema of group "customers": nope: is not declared by the schema`)}},
		"what the schema requires unset":  {steps: []exchange{created, on400(patch, `{"$unset":{"email":true}}`, `the user does not match the schema of group "customers": Required property 'email' is missing`)}},
		"group that is not there":         {steps: []exchange{created, on400(patch, `{"userGroup":"nobody"}`, `userGroup: there is no group "nobody"`)}},
		"group whose schema does not fit": {steps: []exchange{created, on400(patch, `{"userGroup":"staff"}`, `the user does not match the schema of group "staff": Required properties 'name', 'surname' are missing`)}},
		"new group and its fields":        {steps: []exchange{created, {request: patch, body: `{"userGroup":"staff","name":"Ann","surname":"Lee","level":2}`, status: 200, want: "*"}}},
		"email that is none":              {steps: []exchange{created, on400(patch, `{"email":"nope"}`, "email: must be an email address")}},
		"expirationDate in the past":      {steps: []exchange{created, on400(patch, `{"expirationDate":"2001-01-01"}`, "expirationDate: must be in the future")}},
		"password":                        {steps: []exchange{created, on400(patch, `{"password":"x"}`, "password: cannot be changed here; see POST /users/change-password")}},
		"unknown user":                    {steps: []exchange{{request: "PATCH /users/65f1c0ffee65f1c0ffee65f1", body: `{"name":"A"}`, status: 500, want: bad(500, "Error while updating user: CRUD PATCH /users/:id responded with a 404 status code")}}},
		"unknown user, passed through":    {env: map[string]string{"UPSTREAM_ERROR_STATUS": "passthrough"}, steps: []exchange{{request: "PATCH /users/65f1c0ffee65f1c0ffee65f1", body: `{"name":"A"}`, status: 404, want: bad(404, "Error while updating user: CRUD PATCH /users/:id responded with a 404 status code")}}},
		"address taken by another": {steps: []exchange{created, {request: noMail, body: `{"userGroup":"customers","email":"bob@example.com"}`, status: 200, want: "*"},
			{request: patch, body: `{"email":"bob@example.com"}`, status: 500, want: "*"}, {request: "GET /users/?_p=email&_q=%7B%22username%22:%22ann%22%7D", status: 200, want: "[\n" + `{"_id":"<id1>","email":"ann@example.com"}` + "\n]\n"}}},
	} {
		t.Run(what, c.run)
	}
}

func TestStatesAndDeletion(t *testing.T) {
	t.Parallel()
	to := func(state, want string) exchange {
		return exchange{request: "POST /users/state", body: `[{"filter":{"_id":"<id1>"},"stateTo":"` + state + `"}]`, status: 200, want: want}
	}
	gone := exchange{request: "GET /users/count?_st=PUBLIC,DRAFT,TRASH,DELETED", status: 200, want: "0"}
	deleted := exchange{request: "GET /users/count?_st=DELETED", status: 200, want: "1"}
	softDelete := exchange{request: "POST /users/<id1>/soft-delete", status: 204}
	for what, c := range map[string]conversation{
		"DRAFT blocks, PUBLIC unblocks":                 {steps: []exchange{created, to("DRAFT", "1"), login(401, blocked), to("PUBLIC", "1"), login(200, tokens)}},
		"TRASH blocks":                                  {steps: []exchange{created, to("TRASH", "1"), login(401, blocked)}},
		"PUBLIC does not unblock who is blocked":        {steps: []exchange{created, {request: "PATCH /users/<id1>", body: `{"blocked":true}`, status: 200, want: "*"}, to("DRAFT", "1"), to("PUBLIC", "1"), login(401, blocked)}},
		"DELETED deletes the account":                   {steps: []exchange{created, to("TRASH", "1"), to("DELETED", "1"), login(401, wrong), deleted}},
		"DELETED keeps the account, when told":          {env: map[string]string{"AUTH_HARD_DELETE": "false"}, steps: []exchange{created, to("TRASH", "1"), to("DELETED", "1"), login(401, blocked)}},
		"a way of several transitions is walked":        {steps: []exchange{created, to("DELETED", "1"), login(401, wrong), deleted, to("PUBLIC", "1"), {request: "GET /users/count", status: 200, want: "1"}}},
		"the same state is passed over":                 {steps: []exchange{created, to("PUBLIC", "0")}},
		"filters match every state":                     {steps: []exchange{created, to("TRASH", "1"), {request: "POST /users/state", body: `[{"filter":{"email":"ann@example.com"},"stateTo":"DRAFT"}]`, status: 200, want: "1"}}},
		"several users, several changes":                {steps: []exchange{created, {request: noMail, body: `{"userGroup":"customers","email":"bob@example.com"}`, status: 200, want: "*"}, {request: "POST /users/state", body: `[{"filter":{"userGroup":"customers"},"stateTo":"DRAFT"},{"filter":{"email":"bob@example.com"},"stateTo":"PUBLIC"}]`, status: 200, want: "3"}}},
		"restored after its account was deleted":        {steps: []exchange{created, softDelete, to("TRASH", "1"), to("DRAFT", "1"), to("PUBLIC", "1"), {request: "POST /users/register?sendResetPwdEmail=false", body: `{"_id":"<id1>","password":"correct horse"}`, status: 204}, login(200, tokens)}},
		"state that is none":                            {steps: []exchange{on400("POST /users/state", `[{"filter":{},"stateTo":"GONE"}]`, "[0].stateTo: must be one of PUBLIC, DRAFT, TRASH, DELETED")}},
		"no filter":                                     {steps: []exchange{on400("POST /users/state", `[{"stateTo":"TRASH"}]`, "[0].filter: is required")}},
		"soft-delete":                                   {steps: []exchange{created, softDelete, login(401, wrong), deleted}},
		"soft-delete twice":                             {steps: []exchange{created, softDelete, softDelete, deleted}},
		"soft-delete, keeping the account":              {env: map[string]string{"AUTH_HARD_DELETE": "false"}, steps: []exchange{created, softDelete, login(401, blocked), deleted}},
		"soft-delete of an unknown user":                {steps: []exchange{{request: "POST /users/65f1c0ffee65f1c0ffee65f1/soft-delete", status: 500, want: bad(500, "Error while soft deleting user: CRUD GET /users/:id responded with a 404 status code")}}},
		"delete":                                        {steps: []exchange{created, {request: "DELETE /users/<id1>", status: 204}, login(401, wrong), gone}},
		"delete in any state":                           {steps: []exchange{created, softDelete, {request: "DELETE /users/<id1>", status: 204}, gone}},
		"delete frees the address":                      {steps: []exchange{created, {request: "DELETE /users/<id1>", status: 204}, {request: noMail, body: newAnn, status: 200, want: `{"_id":"<id2>"}`}}},
		"delete of an unknown user":                     {steps: []exchange{{request: "DELETE /users/65f1c0ffee65f1c0ffee65f1", status: 500, want: bad(500, "Error while deleting user: CRUD GET /users/:id responded with a 404 status code")}}},
		"delete of an unknown user, passed":             {env: map[string]string{"UPSTREAM_ERROR_STATUS": "passthrough"}, steps: []exchange{{request: "DELETE /users/65f1c0ffee65f1c0ffee65f1", status: 404, want: bad(404, "Error while deleting user: CRUD GET /users/:id responded with a 404 status code")}}},
		"delete of a user without account":              {steps: []exchange{{request: "POST /users/", body: `{"userGroup":"contacts","name":"Ann"}`, status: 200, want: aCreated}, {request: "DELETE /users/<id1>", status: 204}, gone}},
		"delete with a body and type, as pages send it": {steps: []exchange{created, {request: "DELETE /users/<id1>", body: "{}", status: 204}}},
	} {
		t.Run(what, c.run)
	}
}

func TestLoggingIn(t *testing.T) {
	t.Parallel()
	refreshed := `{"accessToken":"<token2>","refreshToken":"<refresh2>","expireAt":"<time>"}`
	bearer := "Authorization: Bearer <token1>"
	for what, c := range map[string]conversation{
		"JSON":                      {steps: []exchange{created, login(200, tokens)}},
		"form":                      {steps: []exchange{created, {request: "POST /oauth/token", body: "username=ann&password=correct+horse&grant_type=password", header: "Content-Type: application/x-www-form-urlencoded", status: 200, want: tokens}}},
		"by address":                {steps: []exchange{created, {request: "POST /oauth/token", body: `{"username":"ANN@example.com","password":"correct horse"}`, status: 200, want: tokens}}},
		"wrong password":            {steps: []exchange{created, {request: "POST /oauth/token", body: `{"username":"ann","password":"battery"}`, status: 401, want: wrong}}},
		"nobody":                    {steps: []exchange{login(401, wrong)}},
		"no password":               {steps: []exchange{on400("POST /oauth/token", `{"username":"ann"}`, "password: is required")}},
		"password of a number":      {steps: []exchange{{request: "POST /oauth/token", body: `{"username":"ann","password":5}`, status: 400, want: "*"}}},
		"refresh":                   {steps: []exchange{created, login(200, tokens), {request: "POST /refreshtoken", body: `{"refreshToken":"<refresh1>"}`, header: bearer, status: 200, want: refreshed}}},
		"refresh twice":             {steps: []exchange{created, login(200, tokens), {request: "POST /refreshtoken", body: `{"refreshToken":"<refresh1>"}`, header: bearer, status: 200, want: refreshed}, {request: "POST /refreshtoken", body: `{"refreshToken":"<refresh1>"}`, header: bearer, status: 401, want: "*"}, {request: "POST /refreshtoken", body: `{"refreshToken":"<refresh2>"}`, header: bearer, status: 401, want: "*"}}},
		"refresh when blocked":      {steps: []exchange{created, login(200, tokens), {request: "PATCH /users/<id1>", body: `{"blocked":true}`, status: 200, want: "*"}, {request: "POST /refreshtoken", body: `{"refreshToken":"<refresh1>"}`, header: bearer, status: 401, want: "*"}}},
		"refresh without token":     {steps: []exchange{{request: "POST /refreshtoken", body: `{"refreshToken":"x"}`, status: 401, want: bad(401, "Authorization: the expired access token is required, as a bearer token")}}},
		"refresh of nothing":        {steps: []exchange{{request: "POST /refreshtoken", body: `{}`, header: "Authorization: Bearer x", status: 400, want: bad(400, "refreshToken: is required")}}},
		"website scope":             {env: map[string]string{"FAKE_WEBSITE_SCOPE": "true"}, steps: []exchange{created, login(200, "")}},
		"change password":           {steps: []exchange{created, linked, {request: "POST /users/change-password", body: `{"authUserId":"fake|<id2>"}`, status: 204}, {request: "GET /fake/outbox", status: 200, want: "*"}}},
		"change password of nobody": {steps: []exchange{{request: "POST /users/change-password", body: `{"authUserId":"fake|nobody"}`, status: 404, want: "*"}}},
	} {
		t.Run(what, c.run)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	info := func(status int, want string) exchange {
		return exchange{request: "GET /userinfo", header: "Authorization: Bearer <token1>", status: status, want: want}
	}
	account := `"email":"ann@example.com","email_verified":false,"name":"ann@example.com","nickname":"ann"`
	role := func(id, permissions string) exchange {
		return exchange{request: "POST /crud/roles/", body: `{"roleId":"` + id + `","name":"` + id + `","permissions":` + permissions + `}`, status: 200, want: "*"}
	}
	for what, c := range map[string]conversation{
		"unset: account and user":  {steps: []exchange{created, linked, login(200, tokens), info(200, `{"__STATE__":"PUBLIC","_id":"<id1>","authUserId":"fake|<id2>","createdAt":"<time>","creatorId":"public",`+account+`,"sub":"fake|<id2>","updatedAt":"<time>","updated_at":"<time>","updaterId":"public","userGroup":"customers","username":"ann"}`)}},
		"empty: account alone":     {env: map[string]string{"USERINFO_ADDITIONAL_PROPERTIES": ""}, steps: []exchange{created, linked, login(200, tokens), info(200, `{`+account+`,"sub":"fake|<id2>","updated_at":"<time>","username":"ann"}`)}},
		"list: account and listed": {env: map[string]string{"USERINFO_ADDITIONAL_PROPERTIES": "userGroup,surname"}, steps: []exchange{created, linked, login(200, tokens), info(200, `{`+account+`,"sub":"fake|<id2>","updated_at":"<time>","userGroup":"customers","username":"ann"}`)}},
		"permissions of the roles": {env: map[string]string{"USERINFO_ADDITIONAL_PROPERTIES": "permissions"}, steps: []exchange{
			role("a", `["write","read"]`), role("b", `["read","admin"]`), role("c", `["other"]`),
			{request: noMail, body: strings.Replace(newAnn, "{", `{"roles":["a","b","gone"],`, 1), status: 200, want: "*"},
			{request: "GET /users/?_p=authUserId", status: 200, want: "*"},
			login(200, tokens), info(200, `{`+account+`,"permissions":["admin","read","write"],"sub":"fake|<id5>","updated_at":"<time>","username":"ann"}`)}},
		"no token":             {steps: []exchange{{request: "GET /userinfo", status: 401, want: "*"}}},
		"token that is none":   {steps: []exchange{{request: "GET /userinfo", header: "Authorization: Bearer nope", status: 401, want: "*"}}},
		"account without user": {steps: []exchange{created, login(200, tokens), {request: "DELETE /crud/users/<id1>", status: 204}, info(401, bad(401, "Missing authUserId, user not logged"))}},
		"user not PUBLIC":      {steps: []exchange{created, login(200, tokens), {request: "POST /crud/users/<id1>/state", body: `{"stateTo":"DRAFT"}`, status: 204}, info(401, bad(401, "Missing authUserId, user not logged"))}},
		"blocked in the store": {steps: []exchange{created, login(200, tokens), {request: "PATCH /crud/users/<id1>", body: `{"$set":{"blocked":true}}`, status: 200, want: "*"}, info(401, bad(401, "the user is blocked or has expired"))}},
		"another id property":  {env: map[string]string{"CUSTOM_USER_ID_KEY": "nickname"}, steps: []exchange{created, login(200, tokens), info(401, bad(401, "Missing authUserId, user not logged"))}},
		"permissions are the roles' alone": {steps: []exchange{
			{request: "POST /crud/ums-config/", body: `{"userGroup":"free","label":"Free","crudSchema":{"additionalProperties":true}}`, status: 200, want: "*"},
			{request: noMail, body: `{"userGroup":"free","username":"ann","password":"correct horse","permissions":["root"],"sub":"fake|root","nickname":"Annie"}`, status: 200, want: "*"},
			{request: "GET /users/?_p=authUserId", status: 200, want: "*"},
			login(200, tokens), info(200, `{"__STATE__":"PUBLIC","_id":"<id2>","authUserId":"fake|<id3>","createdAt":"<time>","creatorId":"public","name":"ann","nickname":"Annie","sub":"fake|<id3>","updatedAt":"<time>","updated_at":"<time>","updaterId":"public","userGroup":"free","username":"ann"}`)}},
		"by the cookie sid":      {steps: []exchange{created, login(200, tokens), {request: "GET /userinfo", header: "Cookie: sid=<token1>", status: 200, want: "*"}}},
		"blocked: token is dead": {steps: []exchange{created, login(200, tokens), {request: "PATCH /users/<id1>", body: `{"blocked":true}`, status: 200, want: "*"}, info(401, "*")}},
	} {
		t.Run(what, c.run)
	}
}

func TestReadingUsers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "configuration.json")
	if err := os.WriteFile(path, []byte(`{"user_id":"authUserId","additionalProperties":["logins_count","nickname","nope"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	enriched := map[string]string{"CONFIGURATION_PATH": path}
	contact := exchange{request: "POST /users/", body: `{"userGroup":"contacts","name":"Bob"}`, status: 200, want: `*`}
	for what, c := range map[string]conversation{
		"empty list":                           {steps: []exchange{{request: "GET /users/", status: 200, want: "[\n\n]\n"}}},
		"empty list with properties":           {env: enriched, steps: []exchange{{request: "GET /users/", status: 200, want: "[]"}}},
		"columns the caller may see":           {steps: []exchange{created, {request: "GET /users/", header: "acl_read_columns: username", status: 200, want: "[\n" + `{"_id":"<id1>","username":"ann"}` + "\n]\n"}}},
		"rows the caller may see":              {steps: []exchange{created, {request: "GET /users/", header: `acl_rows: {"username":"bob"}`, status: 200, want: "[\n\n]\n"}}},
		"rows the caller may count":            {steps: []exchange{created, {request: "GET /users/count", header: `acl_rows: {"username":"bob"}`, status: 200, want: "0"}}},
		"rows the caller may change":           {steps: []exchange{created, {request: "DELETE /users/<id1>", header: `acl_rows: {"username":"bob"}`, status: 500, want: "*"}, {request: "GET /users/count", status: 200, want: "1"}}},
		"columns of a patched user":            {steps: []exchange{created, {request: "PATCH /users/<id1>", body: `{"name":"Anna"}`, header: "acl_read_columns: name", status: 200, want: `{"_id":"<id1>","name":"Anna"}`}}},
		"HEAD with properties":                 {env: enriched, steps: []exchange{created, {request: "HEAD /users/", status: 200, want: "*"}}},
		"projection with blanks":               {env: enriched, steps: []exchange{created, {request: "GET /users/?_p=username,%20authUserId", status: 200, want: `[{"_id":"<id1>","authUserId":"fake|<id2>","logins_count":0,"nickname":"ann","username":"ann"}]`}}},
		"account properties are added":         {env: enriched, steps: []exchange{created, login(200, tokens), contact, {request: "GET /users/?_p=username,authUserId", status: 200, want: `[{"_id":"<id1>","authUserId":"fake|<id3>","logins_count":1,"nickname":"ann","username":"ann"},{"_id":"<id2>"}]`}}},
		"also when the id is projected away":   {env: enriched, steps: []exchange{created, {request: "GET /users/?_p=username", status: 200, want: `[{"_id":"<id1>","logins_count":0,"nickname":"ann","username":"ann"}]`}}},
		"not to columns the caller cannot see": {env: enriched, steps: []exchange{created, {request: "GET /users/", header: "acl_read_columns: username", status: 200, want: `[{"_id":"<id1>","username":"ann"}]`}}},
		"the store's refusal, with properties": {env: enriched, steps: []exchange{{request: "GET /users/?_l=nope", status: 400, want: "*"}}},
	} {
		t.Run(what, c.run)
	}
}
