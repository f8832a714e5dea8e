package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Definition declares a collection, in the CRUD Service's own format of fields; the
// six standard fields may be left out. Open and Internal are ours alone.
type Definition struct {
	Name         string  `json:"name"`
	Path         string  `json:"endpointBasePath"`
	DefaultState string  `json:"defaultState,omitempty"` // "": DRAFT, as the CRUD Service has it
	Fields       []Field `json:"fields"`
	Indexes      []Index `json:"indexes,omitempty"`

	// Open accepts any further field at the top and keeps it as it is: it may be
	// filtered, sorted, projected and patched like a path below a RawObject.
	Open bool `json:"open,omitempty"`
	// Internal keeps the collection out of [Store.Public].
	Internal bool `json:"internal,omitempty"`
}

// Field declares a field: its Type is string, number, integer, boolean, Date,
// ObjectId, Array (of Items), RawObject (any object, or one with a JSON Schema) or
// GeoPoint.
type Field struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Required bool            `json:"required,omitempty"`
	Nullable bool            `json:"nullable,omitempty"`
	Items    *Field          `json:"items,omitempty"`
	Schema   json.RawMessage `json:"schema,omitempty"`
}

// Index declares an index of type normal, or hash, which is the same. A unique one
// holds where every of its fields is present and not null: documents without them
// never collide. One of type geo or text does nothing, and [Open] logs that.
type Index struct {
	Name   string       `json:"name"`
	Type   string       `json:"type,omitempty"`
	Unique bool         `json:"unique,omitempty"`
	Fields []IndexField `json:"fields"`
}

// served reports whether the index is made: those of other types are for searches that
// answer 501.
func (ix Index) served() bool { return ix.Type != "geo" && ix.Type != "text" }

// IndexField is a field of an index, or a dotted path, with 1 or -1 as its order.
type IndexField struct {
	Name  string `json:"name"`
	Order int    `json:"order,omitempty"`
}

// The states of a document, and where each may go.
var states = []string{"PUBLIC", "DRAFT", "TRASH", "DELETED"}

var standardFields = []Field{
	{Name: "_id", Type: kindID, Required: true},
	{Name: "__STATE__", Type: kindString, Required: true},
	{Name: "creatorId", Type: kindString, Required: true},
	{Name: "createdAt", Type: kindDate, Required: true},
	{Name: "updaterId", Type: kindString, Required: true},
	{Name: "updatedAt", Type: kindDate, Required: true},
}

func isStandard(name string) bool {
	return slices.ContainsFunc(standardFields, func(f Field) bool { return f.Name == name })
}

// Users is the collection of users below path: the standard fields of a user, and
// any other that the schemas of the user groups let through.
func Users(path string) Definition {
	return Definition{
		Name: "users", Path: path, DefaultState: "PUBLIC", Open: true,
		Fields: []Field{
			{Name: "userGroup", Type: kindString, Required: true},
			{Name: "authUserId", Type: kindString},
			{Name: "username", Type: kindString},
			{Name: "email", Type: kindString},
			{Name: "blocked", Type: kindBool},
			{Name: "expirationDate", Type: kindDate},
			{Name: "expirationId", Type: kindString},
			{Name: "roles", Type: kindArray, Items: &Field{Type: kindString}},
		},
		Indexes: append(standardIndexes(),
			index("authUserId", false, "authUserId"),
			index("username_unique", true, "username"),
			index("email_unique", true, "email")),
	}
}

// Groups is the collection of user groups (ums-config) below path.
func Groups(path string) Definition {
	return Definition{
		Name: "ums-config", Path: path, DefaultState: "PUBLIC",
		Fields: []Field{
			{Name: "userGroup", Type: kindString, Required: true},
			{Name: "crudSchema", Type: kindObject, Required: true},
			{Name: "label", Type: kindString, Required: true},
			{Name: "authUserCreationDisabled", Type: kindBool},
		},
		Indexes: append(standardIndexes(), index("ug", true, "userGroup")),
	}
}

// Roles is the collection of roles below path.
func Roles(path string) Definition {
	return Definition{
		Name: "roles", Path: path, DefaultState: "PUBLIC",
		Fields: []Field{
			{Name: "roleId", Type: kindString, Required: true},
			{Name: "name", Type: kindString, Required: true},
			{Name: "description", Type: kindString},
			{Name: "permissions", Type: kindArray, Required: true, Items: &Field{Type: kindString}},
		},
		Indexes: append(standardIndexes(), index("rid", true, "roleId")),
	}
}

// Journal is the collection of operations under way below path; package users says what
// is in it.
func Journal(path string) Definition {
	return Definition{
		Name: "journal", Path: path, DefaultState: "PUBLIC", Internal: true,
		Fields: slices.Concat(
			[]Field{
				{Name: "operation", Type: kindString, Required: true},
				{Name: "kind", Type: kindString, Required: true},
			},
			optional(kindString, "userId", "authUserId", "version", "state", "key", "job"),
			[]Field{
				{Name: "names", Type: kindArray, Items: &Field{Type: kindString}},
				{Name: "unblock", Type: kindBool},
				{Name: "roles", Type: kindBool},
				{Name: "timer", Type: kindBool},
			},
			optional(kindString, "lock", "holder"),
		),
		Indexes: []Index{
			index("operation", false, "operation"),
			index("lock_unique", true, "lock"),
		},
	}
}

// Jobs is the collection of jobs and their parts below path; package jobs says what is
// in it.
func Jobs(path string) Definition {
	return Definition{
		Name: "jobs", Path: path, DefaultState: "PUBLIC", Internal: true,
		Fields: slices.Concat(
			optional(kindString, "type", "jobId", "kind", "status", "leaseOwner", "callbackUrl", "callback", "requestId"),
			optional(kindNumber, "total", "done", "queuedAt", "startedAt", "finishedAt", "leaseUntil",
				"failures", "panics", "retryAt", "callbackTries", "callbackAt", "part"),
			optional(kindObject, "options", "counts"),
			[]Field{
				{Name: "ids", Type: kindArray, Items: &Field{Type: kindString}},
				{Name: "outcomes", Type: kindArray, Items: &Field{Type: kindObject}},
			},
		),
		Indexes: []Index{
			index("status", false, "status"),
			index("callback", false, "callback"),
			{Name: "parts", Type: "normal", Fields: []IndexField{{Name: "jobId", Order: 1}, {Name: "part", Order: 1}}},
		},
	}
}

// Timers is the collection of timers below path; package timer/embedded says what is in
// it.
func Timers(path string) Definition {
	return Definition{
		Name: "timers", Path: path, DefaultState: "PUBLIC", Internal: true,
		Fields: slices.Concat(
			optional(kindObject, "payload"),
			optional(kindDate, "startDate"),
			optional(kindNumber, "expirationIntervalMs"),
			optional(kindString, "applicantService"),
			optional(kindObject, "outputMode"),
			optional(kindDate, "expirationDate"),
			optional(kindNumber, "failureCount"),
			optional(kindObject, "expirationStatus"),
			optional(kindNumber, "dueAt", "removeAt"),
			optional(kindString, "leaseOwner"),
		),
		Indexes: []Index{
			index("dueAt", false, "dueAt"),
			index("leaseOwner", false, "leaseOwner"),
			index("removeAt", false, "removeAt"),
		},
	}
}

// optional are fields of one type that a document may lack.
func optional(kind string, names ...string) []Field {
	fields := make([]Field, len(names))
	for i, name := range names {
		fields[i] = Field{Name: name, Type: kind}
	}
	return fields
}

func standardIndexes() []Index {
	return []Index{
		index("_id", true, "_id"),
		{Name: "createdAt", Type: "normal", Fields: []IndexField{{Name: "createdAt", Order: -1}}},
		index("stateIndex", false, "__STATE__"),
	}
}

func index(name string, unique bool, field string) Index {
	return Index{Name: name, Type: "normal", Unique: unique, Fields: []IndexField{{Name: field, Order: 1}}}
}

// check reports everything that is wrong with the definition, joined.
func (d *Definition) check() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if d.Name == "" {
		wrong("the collection has no name")
	}
	if !isPath(d.Path) {
		wrong("endpointBasePath %q is not the path of a collection", d.Path)
	}
	if d.DefaultState != "" && !slices.Contains(states, d.DefaultState) {
		wrong("defaultState %q is not one of %s", d.DefaultState, strings.Join(states, ", "))
	}
	seen := map[string]bool{}
	for _, f := range d.Fields {
		switch {
		case !isFieldName(f.Name):
			wrong("field name %q is empty or holds a dot or a dollar", f.Name)
		case seen[f.Name]:
			wrong("field %q is declared twice", f.Name)
		}
		seen[f.Name] = true
	}
	for _, ix := range d.Indexes {
		switch {
		case ix.Name == "" || len(ix.Fields) == 0:
			wrong("index %q has no name or no fields", ix.Name)
		case ix.Unique && !ix.served():
			wrong("index %q: a unique index of type %s is not supported by the embedded store", ix.Name, ix.Type)
		}
	}
	for _, ix := range d.Indexes {
		if ix.Unique && slices.ContainsFunc(ix.Fields, d.isArray) {
			wrong("index %q: a unique index on an array is not supported by the embedded store", ix.Name)
		}
	}
	return errors.Join(problems...)
}

func (d *Definition) isArray(f IndexField) bool {
	return slices.ContainsFunc(d.Fields, func(known Field) bool { return known.Name == f.Name && known.Type == kindArray })
}

// isPath reports whether a collection can be below a path: the status routes are not.
func isPath(path string) bool {
	base := strings.Trim(path, "/")
	return base != "" && base != "-" && !strings.HasPrefix(base, "-/")
}

func isFieldName(name string) bool { return name != "" && !strings.ContainsAny(name, ".$") }

// orderedKeys gives the keys of a JSON object in the order they are written in.
func orderedKeys(text json.RawMessage) []string {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var keys []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return keys
		}
		keys = append(keys, key.(string))
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			return keys
		}
	}
	return keys
}
