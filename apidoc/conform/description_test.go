package conform

import (
	"encoding/json"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	apidoc "user-manager/apidoc"
)

// The tests of this file judge the description itself by the rules of OpenAPI 3.1.

func description(t *testing.T) object {
	t.Helper()
	doc, err := decode(apidoc.Source())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// described is an operation as the description has it.
type described struct {
	name, path string
	node, item object // item is what stands under the path
}

func (d described) parameters() []object {
	return append(list(d.item, "parameters"), list(d.node, "parameters")...)
}

// operations yields the operations of doc in a fixed order.
func operations(doc object) iter.Seq[described] {
	return func(yield func(described) bool) {
		paths := sub(doc, "paths")
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			item := sub(paths, path)
			for _, method := range methods {
				if item[method] == nil {
					continue
				}
				if !yield(described{strings.ToUpper(method) + " " + path, path, sub(item, method), item}) {
					return
				}
			}
		}
	}
}

func list(node object, key string) []object {
	var items []object
	all, _ := node[key].([]any)
	for _, item := range all {
		items = append(items, item.(object))
	}
	return items
}

func text(node object, key string) string {
	s, _ := node[key].(string)
	return s
}

// allowed lists the fields of OpenAPI's objects that the description may use. Others are mistakes in spelling, or new
// here: then add them.
var allowed = map[string][]string{
	"root":      {"openapi", "info", "security", "servers", "tags", "paths", "components"},
	"info":      {"title", "version", "summary", "description"},
	"path item": append([]string{"parameters"}, methods...),
	"operation": {"operationId", "tags", "summary", "description", "security", "parameters", "requestBody", "responses"},
	"parameter": {"name", "in", "description", "required", "schema", "example"},
	"body":      {"description", "required", "content"},
	"response":  {"description", "headers", "content", "x-body-optional", "x-setting"},
	"header":    {"description", "required", "schema", "example"},
	"content":   {"schema", "examples"},
	"example":   {"summary", "description", "value"},
}

func checkFields(t *testing.T, place, kind string, node object) {
	t.Helper()
	for key := range node {
		if !slices.Contains(allowed[kind], key) {
			t.Errorf("%s: %q is not a field of a %s", place, key, kind)
		}
	}
}

func TestDescriptionIsOpenAPI(t *testing.T) {
	doc := description(t)
	checkFields(t, "the description", "root", doc)
	checkFields(t, "info", "info", sub(doc, "info"))
	if got := text(doc, "openapi"); !strings.HasPrefix(got, "3.1.") {
		t.Errorf("openapi is %q", got)
	}
	if info := sub(doc, "info"); text(info, "title") != "User Manager" || text(info, "version") == "" {
		t.Errorf("info is %v", info)
	}
	shapes := make(map[string]string) // a path with its parameters' names taken out → the path
	for path, item := range sub(doc, "paths") {
		if !strings.HasPrefix(path, "/") {
			t.Errorf("path %q does not begin with a slash", path)
		}
		shape := placeholder.ReplaceAllString(path, "{}")
		if other, taken := shapes[shape]; taken {
			t.Errorf("paths %q and %q are the same", path, other)
		}
		shapes[shape] = path
		checkFields(t, path, "path item", item.(object))
	}
}

func TestOperations(t *testing.T) {
	doc := description(t)
	tags := make(map[string]bool)
	for _, tag := range list(doc, "tags") {
		tags[text(tag, "name")] = true
	}
	schemes := sub(sub(doc, "components"), "securitySchemes")
	byID := make(map[string]string)
	for op := range operations(doc) {
		checkFields(t, op.name, "operation", op.node)
		id := text(op.node, "operationId")
		if other, taken := byID[id]; taken || id == "" {
			t.Errorf("%s: operationId %q is empty or that of %s", op.name, id, other)
		}
		byID[id] = op.name
		if text(op.node, "summary") == "" || text(op.node, "description") == "" {
			t.Errorf("%s: summary or description is missing", op.name)
		}
		used, _ := op.node["tags"].([]any)
		if len(used) != 1 || !tags[used[0].(string)] {
			t.Errorf("%s: tags %v, want one of those declared", op.name, used)
		}
		for _, requirement := range list(op.node, "security") {
			for scheme := range requirement {
				if schemes[scheme] == nil {
					t.Errorf("%s: security scheme %q is not declared", op.name, scheme)
				}
			}
		}
		if body, ok := op.node["requestBody"].(object); ok {
			checkFields(t, op.name, "body", body)
			if len(sub(body, "content")) == 0 {
				t.Errorf("%s: the request body has no content", op.name)
			}
		}
	}
}

var (
	placeholder = regexp.MustCompile(`\{[^}]*\}`)
	statusKey   = regexp.MustCompile(`^[1-5]([0-9][0-9]|XX)$`)
)

func TestResponses(t *testing.T) {
	doc := description(t)
	anyRoute := []int{404, 405, 413, 415, 500, 503} // what each may answer
	for op := range operations(doc) {
		responses := sub(op.node, "responses")
		good := false
		for status := range responses {
			place := op.name + ", " + status
			resp := sub(responses, status)
			checkFields(t, place, "response", resp)
			if !statusKey.MatchString(status) {
				t.Errorf("%s: not a status", place)
			}
			if text(resp, "description") == "" {
				t.Errorf("%s: description is missing", place)
			}
			for name, header := range sub(resp, "headers") {
				checkFields(t, place+", "+name, "header", header.(object))
			}
			good = good || status[0] == '2'
		}
		if !good {
			t.Errorf("%s: no answer of success", op.name)
		}
		checker, err := parseOperation(responses)
		if err != nil {
			t.Fatal(err)
		}
		for _, status := range anyRoute {
			if checker.response(status) == nil {
				t.Errorf("%s: %d is missing", op.name, status)
			}
		}
	}
}

func parseOperation(responses object) (*operation, error) {
	op := &operation{responses: make(map[string]*response)}
	for status := range responses {
		resp, err := parseResponse(sub(responses, status))
		if err != nil {
			return nil, err
		}
		op.responses[status] = resp
	}
	return op, nil
}

func TestParameters(t *testing.T) {
	for op := range operations(description(t)) {
		seen := make(map[string]bool)
		for _, p := range op.parameters() {
			place := op.name + ", parameter " + text(p, "name")
			checkFields(t, place, "parameter", p)
			key := text(p, "in") + " " + text(p, "name")
			if seen[key] {
				t.Errorf("%s: declared twice", place)
			}
			seen[key] = true
			if text(p, "description") == "" || p["schema"] == nil {
				t.Errorf("%s: description or schema is missing", place)
			}
			switch text(p, "in") {
			case "query", "cookie":
			case "header":
				if slices.Contains([]string{"accept", "content-type", "authorization"}, strings.ToLower(text(p, "name"))) {
					t.Errorf("%s: OpenAPI ignores a parameter of this name", place)
				}
			case "path":
				if p["required"] != true || !strings.Contains(op.path, "{"+text(p, "name")+"}") {
					t.Errorf("%s: not required, or not in the path", place)
				}
			default:
				t.Errorf("%s: in %q", place, text(p, "in"))
			}
		}
		for _, name := range placeholder.FindAllString(op.path, -1) {
			if !seen["path "+strings.Trim(name, "{}")] {
				t.Errorf("%s: %s is not declared", op.name, name)
			}
		}
	}
}

func TestExamplesMatchTheirSchemas(t *testing.T) {
	doc := description(t)
	count := 0
	check := func(place string, schema, value any) {
		t.Helper()
		compiled, err := compile(schema)
		if err != nil {
			t.Errorf("%s: %v", place, err)
			return
		}
		body, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.check(body); err != nil {
			t.Errorf("%s: %s: %v", place, body, err)
		}
		count++
	}
	checkContent := func(place string, content object) {
		t.Helper()
		for mediaType := range content {
			media := sub(content, mediaType)
			checkFields(t, place, "content", media)
			if len(sub(media, "examples")) == 0 {
				t.Errorf("%s, %s: no example", place, mediaType)
			}
			for name, example := range sub(media, "examples") {
				checkFields(t, place+", "+name, "example", example.(object))
				check(place+", "+name, media["schema"], example.(object)["value"])
			}
		}
	}
	for op := range operations(doc) {
		checkContent(op.name+", request", sub(sub(op.node, "requestBody"), "content"))
		for status, resp := range sub(op.node, "responses") {
			place := op.name + ", " + status
			checkContent(place, sub(resp.(object), "content"))
			for name, header := range sub(resp.(object), "headers") {
				if example := header.(object)["example"]; example != nil {
					check(place+", "+name, header.(object)["schema"], example)
				}
			}
		}
		for _, p := range op.parameters() {
			place := op.name + ", " + text(p, "name")
			if p["example"] != nil {
				check(place, p["schema"], p["example"])
			}
		}
	}
	for name, schema := range sub(sub(doc, "components"), "schemas") {
		if _, err := compile(schema); err != nil {
			t.Errorf("schema %s: %v", name, err)
		}
		examples, _ := schema.(object)["examples"].([]any)
		for _, example := range examples {
			check("schema "+name, schema, example)
		}
	}
	if count < 100 {
		t.Errorf("only %d examples were looked at: has the description moved?", count)
	}
}

// TestExamplesOfErrorsNameTheirStatus looks at statuses, which a schema cannot compare.
func TestExamplesOfErrorsNameTheirStatus(t *testing.T) {
	for op := range operations(description(t)) {
		for status, resp := range sub(op.node, "responses") {
			content := sub(sub(resp.(object), "content"), "application/json")
			for name := range sub(content, "examples") {
				value := sub(sub(sub(content, "examples"), name), "value")
				named, ok := value["statusCode"].(float64)
				exact := strconv.Itoa(int(named))
				if ok && status != exact && status != exact[:1]+"XX" {
					t.Errorf("%s, %s, %s: the example names %v", op.name, status, name, named)
				}
			}
		}
	}
}

func TestNoComponentIsIdle(t *testing.T) {
	standalone := []string{"#/components/schemas/GroupConfig"} // for people: no route of ours has it
	source := string(apidoc.Source())
	var doc object
	if err := yaml.Unmarshal(apidoc.Source(), &doc); err != nil {
		t.Fatal(err)
	}
	for kind, components := range sub(doc, "components") {
		if kind == "securitySchemes" {
			continue // referred to by name
		}
		for name := range components.(object) {
			ref := "#/components/" + kind + "/" + name
			if !strings.Contains(source, "'"+ref+"'") && !slices.Contains(standalone, ref) {
				t.Errorf("nothing refers to %s", ref)
			}
		}
	}
}
