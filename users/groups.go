package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/kaptinlin/jsonschema"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/csvimport"
	"user-manager/nesting"
)

// errRemoteSchema is why a schema that refers to another address is refused.
var errRemoteSchema = errors.New("schemas of other addresses are not fetched")

// A group is a configuration of the users that belong to it.
type group struct {
	name string
	// accountsDisabled: the group's users get no account.
	accountsDisabled bool
	schema           *jsonschema.Schema
	// alone is held while a user is held against a schema that has patterns: the library
	// compiles them as it goes, and two at once would end the process.
	alone       sync.Mutex
	hasPatterns bool
	cells       *csvimport.Schema // how a CSV file's cells are read
	dates       []string          // fields that are declared to be dates without a time
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
	if nesting.Exceeds(version, document.MaxDepth) {
		return nil, fmt.Errorf("decode group: is nested deeper than %d levels", document.MaxDepth)
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
		hasPatterns:      hasPatterns(definition),
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
