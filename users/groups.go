package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/kaptinlin/jsonschema"

	"user-manager/crud"
	"user-manager/csvimport"
)

// maxProblems bounds how many problems of a user are told at once.
const maxProblems = 10

// errRemoteSchema is why a schema that refers to another address is refused.
var errRemoteSchema = errors.New("schemas of other addresses are not fetched")

// A group is a configuration of the users that belong to it.
type group struct {
	name string
	// accountsDisabled: the group's users get no account.
	accountsDisabled bool
	schema           *jsonschema.Schema
	cells            *csvimport.Schema // how a CSV file's cells are read
	dates            []string          // fields that are declared to be dates without a time
}

// groups reads groups from the store and keeps their compiled schemas.
type groups struct {
	configs crud.Collection

	mu       sync.Mutex
	compiled map[string]compiledGroup // by name; guarded by mu
}

// A groupFinder returns the group with a name, as [groups.group] does.
type groupFinder = func(ctx context.Context, name string) (*group, error)

// A compiledGroup is a group as it was compiled of one version of its document.
type compiledGroup struct {
	group   *group
	version string // what it was compiled of, as the store wrote it
}

func newGroups(configs crud.Collection) *groups {
	return &groups{configs: configs, compiled: map[string]compiledGroup{}}
}

// group returns the group with the given name as the store has it now. One that does
// not exist is refused; one whose schema does not compile is an error that names it.
func (g *groups) group(ctx context.Context, name string) (*group, error) {
	q := crud.Query{Filter: map[string]any{"userGroup": name}, Limit: 1}
	version, err := g.configs.ListJSON(ctx, q)
	if err != nil {
		return nil, err
	}
	if known, ok := g.known(name); ok && known.version == string(version) {
		return known.group, nil
	}
	var configs []crud.Document
	if err := json.Unmarshal(version, &configs); err != nil {
		return nil, fmt.Errorf("decode group: %w", err)
	}
	if len(configs) == 0 {
		g.forget(name)
		return nil, refuse(ErrInvalid, "userGroup: there is no group %q", name)
	}
	made, err := compileGroup(name, configs[0])
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.compiled[name] = compiledGroup{made, string(version)}
	return made, nil
}

// each returns a groupFinder that reads each group once; it is for one goroutine.
func (g *groups) each() groupFinder {
	found := map[string]knownGroup{}
	return func(ctx context.Context, name string) (*group, error) {
		known, ok := found[name]
		if !ok {
			known.group, known.err = g.group(ctx, name)
			found[name] = known
		}
		return known.group, known.err
	}
}

func (g *groups) known(name string) (compiledGroup, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, ok := g.compiled[name]
	return known, ok
}

func (g *groups) forget(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.compiled, name)
}

// A SchemaError says that a group's own schema cannot be used.
type SchemaError struct {
	Group string
	Err   error
}

// Error says what is wrong with which group.
func (e *SchemaError) Error() string {
	why := strings.ReplaceAll(e.Err.Error(), "\n", "; ")
	return fmt.Sprintf("the crudSchema of group %q does not compile: %s", e.Group, why)
}

// Unwrap returns what is wrong with the schema.
func (e *SchemaError) Unwrap() error { return e.Err }

func compileGroup(name string, config crud.Document) (*group, error) {
	definition, ok := config["crudSchema"].(map[string]any)
	if !ok {
		return nil, &SchemaError{name, errors.New("it is not an object")}
	}
	schema, err := compileSchema(definition)
	if err != nil {
		return nil, &SchemaError{name, err}
	}
	disabled, _ := config["authUserCreationDisabled"].(bool)
	return &group{
		name:             name,
		accountsDisabled: disabled,
		schema:           schema,
		cells:            csvimport.NewSchema(withStandardTypes(definition)),
		dates:            dateFields(definition),
	}, nil
}

// dateFields returns the properties of a schema that are dates without a time.
func dateFields(definition map[string]any) []string {
	var dates []string
	properties, _ := definition["properties"].(map[string]any)
	for name, property := range properties {
		if declared, _ := property.(map[string]any); declared["format"] == "date" {
			dates = append(dates, name)
		}
	}
	return dates
}

// asWritten returns the user with dates as a client writes them, in fields that are not
// changed: a CRUD Service whose collection declares them Date gives them back as instants.
func (g *group) asWritten(user crud.Document, changed []string) crud.Document {
	user = maps.Clone(user)
	for _, field := range g.dates {
		date, midnight := strings.CutSuffix(text(user, field), "T00:00:00.000Z")
		if midnight && !slices.Contains(changed, field) {
			user[field] = date
		}
	}
	return user
}

// compileSchema compiles a group's schema as this service reads it: formats are
// asserted, "nullable" is honoured, the standard fields need not be declared, and
// other fields must be unless the schema speaks of further ones itself.
func compileSchema(definition map[string]any) (*jsonschema.Schema, error) {
	if err := checkTypes(definition); err != nil {
		return nil, err
	}
	prepared, _ := withNulls(definition).(map[string]any)
	prepared = withStandardFields(prepared)
	encoded, err := json.Marshal(prepared)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler().SetAssertFormat(true)
	clear(compiler.Loaders) // a schema must not make this service call anybody
	schema, err := compiler.Compile(encoded)
	if err != nil {
		return nil, err
	}
	if missing := schema.UnresolvedReferenceURIs(); len(missing) > 0 {
		return nil, fmt.Errorf("%s: %w", missing[0], errRemoteSchema)
	}
	return schema, nil
}

// withStandardFields returns the schema with the standard fields among its
// properties, and closed to any it does not know.
func withStandardFields(schema map[string]any) map[string]any {
	schema = maps.Clone(schema)
	properties, _ := schema["properties"].(map[string]any)
	properties = maps.Clone(properties)
	if properties == nil {
		properties = map[string]any{}
	}
	for _, name := range standardNames {
		if _, declared := properties[name]; !declared {
			properties[name] = true
		}
	}
	schema["properties"] = properties
	_, additional := schema["additionalProperties"]
	_, patterns := schema["patternProperties"]
	if !additional && !patterns {
		// "unevaluated" sees also what allOf, $ref and the like declare
		if _, set := schema["unevaluatedProperties"]; !set {
			schema["unevaluatedProperties"] = false
		}
	}
	return schema
}

// standardTypes are what the standard fields are where a schema does not declare them.
var standardTypes = map[string]any{
	"username":       map[string]any{"type": "string"},
	"email":          map[string]any{"type": "string"},
	"blocked":        map[string]any{"type": "boolean"},
	"userGroup":      map[string]any{"type": "string"},
	"roles":          map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
	"expirationDate": map[string]any{"type": "string"}, // checked as every user's
}

// withStandardTypes returns the schema with the standard fields among its properties.
func withStandardTypes(schema map[string]any) map[string]any {
	schema = maps.Clone(schema)
	declared, _ := schema["properties"].(map[string]any)
	properties := maps.Clone(standardTypes)
	maps.Copy(properties, declared)
	schema["properties"] = properties
	return schema
}

// Where schemas stand within a schema.
var (
	schemaMaps  = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
	schemaLists = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	subschemas  = []string{"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties", "unevaluatedItems"}
)

// mapSchemas returns a copy of schema in which f replaced each schema directly below.
func mapSchemas(schema map[string]any, f func(any) any) map[string]any {
	out := maps.Clone(schema)
	for _, key := range schemaMaps {
		if below, ok := out[key].(map[string]any); ok {
			mapped := make(map[string]any, len(below))
			for name, sub := range below {
				mapped[name] = f(sub)
			}
			out[key] = mapped
		}
	}
	for _, key := range schemaLists {
		if below, ok := out[key].([]any); ok {
			mapped := make([]any, len(below))
			for i, sub := range below {
				mapped[i] = f(sub)
			}
			out[key] = mapped
		}
	}
	for _, key := range subschemas {
		if sub, ok := out[key]; ok {
			out[key] = f(sub)
		}
	}
	return out
}

// withNulls rewrites "nullable": true, which JSON Schema does not know, to what means
// the same there.
func withNulls(schema any) any {
	s, ok := schema.(map[string]any)
	if !ok {
		return schema // true or false
	}
	s = mapSchemas(s, withNulls)
	nullable, _ := s["nullable"].(bool)
	delete(s, "nullable")
	if !nullable {
		return s
	}
	_, limited := s["enum"]
	if kind, ok := s["type"].(string); ok && !limited && s["const"] == nil {
		s["type"] = []any{kind, "null"} // what else it asks for does not concern null
		return s
	}
	return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, s}}
}

var schemaTypes = []string{"string", "number", "integer", "boolean", "array", "object", "null"}

// checkTypes refuses types that JSON Schema does not know, which the compiler passes.
func checkTypes(schema any) error {
	s, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	types, isList := s["type"].([]any)
	if one, ok := s["type"]; ok && !isList {
		types = []any{one}
	}
	for _, t := range types {
		if name, _ := t.(string); !slices.Contains(schemaTypes, name) {
			return fmt.Errorf("type %v is not one of %s", t, strings.Join(schemaTypes, ", "))
		}
	}
	var first error
	mapSchemas(s, func(sub any) any {
		first = errors.Join(first, checkTypes(sub))
		return sub
	})
	return first
}

// check refuses a user that does not match the group's schema. The message names the
// fields.
func (g *group) check(user crud.Document) error {
	found := g.problems(user)
	if len(found) == 0 {
		return nil
	}
	message := fmt.Sprintf("the user does not match the schema of group %q: %s", g.name, strings.Join(found, "; "))
	return &Refusal{ErrInvalid, message, found}
}

// problems says how the user does not match the group's schema, field by field and
// without the values.
func (g *group) problems(user crud.Document) []string {
	own := withoutOwn(user)
	result := g.schema.ValidateMap(own)
	if result.IsValid() {
		return nil
	}
	var found []string
	collect(result, own, "", &found)
	sort.Strings(found)
	found = slices.Compact(found)
	if more := len(found) - maxProblems; more > 0 {
		found = append(found[:maxProblems], fmt.Sprintf("and %d more", more))
	}
	return found
}

// collect appends to found what the leaves of result say, each with its field: what
// stands above a leaf only repeats that something below is wrong. Leaves of fields
// that value lacks are passed over: "required" speaks of them.
func collect(result *jsonschema.EvaluationResult, value any, above string, found *[]string) {
	path := above + strings.ReplaceAll(result.InstanceLocation, "/", ".")
	before := len(*found)
	for _, detail := range result.Details {
		if detail.IsValid() {
			continue
		}
		if below, ok := at(value, detail.InstanceLocation); ok {
			collect(detail, below, path, found)
		}
	}
	for _, keyword := range slices.Sorted(maps.Keys(result.Errors)) {
		if keyword == "required" || len(*found) == before && result.Errors["required"] == nil {
			*found = append(*found, problem(strings.TrimPrefix(path, "."), result.Errors[keyword]))
		}
	}
}

// at returns the part of value that location, "" or "/" and one name or index, is
// about.
func at(value any, location string) (any, bool) {
	if location == "" {
		return value, true
	}
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(location[1:])
	switch value := value.(type) {
	case map[string]any:
		below, ok := value[name]
		return below, ok
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(value) {
			return value[i], true
		}
	}
	return nil, false
}

func problem(field string, err *jsonschema.EvaluationError) string {
	message := withoutValue(err).Error()
	if err.Keyword == "schema" {
		message = "is not declared by the schema"
	}
	if field == "" {
		return message
	}
	return field + ": " + message
}

// withoutValue returns the error with the word "Value" in the place of the value that
// is wrong.
func withoutValue(err *jsonschema.EvaluationError) *jsonschema.EvaluationError {
	masked := *err
	masked.Message = strings.NewReplacer("Value {received}", "Value", "{value}", "Value").Replace(err.Message)
	return &masked
}

// CheckGroup reports what is wrong with the configuration of a group: a required
// field that is missing or of another type, or a schema that does not compile.
func CheckGroup(config crud.Document) error {
	for _, field := range []string{"userGroup", "label"} {
		if text(config, field) == "" {
			return fmt.Errorf("%s: is required and must be a string", field)
		}
	}
	for field, value := range config {
		switch field {
		case "userGroup", "label", "crudSchema":
		case "authUserCreationDisabled":
			if _, ok := value.(bool); !ok {
				return fmt.Errorf("%s: must be a boolean", field)
			}
		default:
			return fmt.Errorf("%s: is not a field of a user group", field)
		}
	}
	_, err := compileGroup(text(config, "userGroup"), config)
	return err
}
