package conform

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// object is a mapping of the description.
type object = map[string]any

// decode returns the description as JSON values, every reference replaced by what it refers to.
func decode(source []byte) (object, error) {
	asJSON, err := yaml.YAMLToJSON(source)
	if err != nil {
		return nil, err
	}
	var doc object
	if err := json.Unmarshal(asJSON, &doc); err != nil {
		return nil, err
	}
	resolved, err := resolve(doc, doc, nil)
	if err != nil {
		return nil, err
	}
	return resolved.(object), nil
}

// resolve returns a copy of node without references. The trail is what is being resolved, to notice a circle.
func resolve(doc object, node any, trail []string) (any, error) {
	switch node := node.(type) {
	case object:
		if ref, ok := node["$ref"].(string); ok {
			return follow(doc, node, ref, trail)
		}
		return resolveObject(doc, node, trail)
	case []any:
		resolved := make([]any, len(node))
		for i, item := range node {
			var err error
			if resolved[i], err = resolve(doc, item, trail); err != nil {
				return nil, err
			}
		}
		return resolved, nil
	default:
		return node, nil
	}
}

func resolveObject(doc, node object, trail []string) (any, error) {
	resolved := make(object, len(node))
	for key, value := range node {
		var err error
		if resolved[key], err = resolve(doc, value, trail); err != nil {
			return nil, err
		}
	}
	return resolved, nil
}

func follow(doc, node object, ref string, trail []string) (any, error) {
	if len(node) > 1 {
		return nil, fmt.Errorf("$ref %s has keys beside it, which this package does not read", ref)
	}
	if slices.Contains(trail, ref) {
		return nil, fmt.Errorf("$ref %s leads back to itself", ref)
	}
	target, err := lookUp(doc, ref)
	if err != nil {
		return nil, err
	}
	return resolve(doc, target, append(slices.Clip(trail), ref))
}

// unescape reads a token of a JSON pointer.
var unescape = strings.NewReplacer("~1", "/", "~0", "~")

func lookUp(doc object, ref string) (any, error) {
	pointer, local := strings.CutPrefix(ref, "#/")
	if !local {
		return nil, fmt.Errorf("$ref %s leads out of the description", ref)
	}
	var node any = doc
	for token := range strings.SplitSeq(pointer, "/") {
		parent, _ := node.(object)
		child, ok := parent[unescape.Replace(token)]
		if !ok {
			return nil, fmt.Errorf("$ref %s leads nowhere", ref)
		}
		node = child
	}
	return node, nil
}

// sub returns the mapping under key, or an empty one.
func sub(node object, key string) object {
	child, _ := node[key].(object)
	return child
}
