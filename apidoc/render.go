package apidoc

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// render returns the description as YAML and as JSON, with its keys in the order of source, with prefix before the
// paths of the service's own routes, and with version if that is not empty.
func render(source []byte, prefix, version string) (asYAML, asJSON []byte, err error) {
	var doc yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(source, &doc, yaml.UseOrderedMap()); err != nil {
		return nil, nil, fmt.Errorf("read the API description: %w", err)
	}
	addPrefix(section(doc, "paths"), prefix)
	if version != "" {
		setVersion(section(doc, "info"), version)
	}
	asYAML, err = yaml.MarshalWithOptions(doc, yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		return nil, nil, fmt.Errorf("write the API description as YAML: %w", err)
	}
	asJSON, err = yaml.MarshalWithOptions(doc, yaml.JSON())
	if err != nil {
		return nil, nil, fmt.Errorf("write the API description as JSON: %w", err)
	}
	return asYAML, asJSON, nil
}

// section returns the mapping under key, whose items can be changed in place.
func section(doc yaml.MapSlice, key string) yaml.MapSlice {
	for _, item := range doc {
		if item.Key == key {
			m, _ := item.Value.(yaml.MapSlice)
			return m
		}
	}
	return nil
}

// addPrefix leaves the status routes alone: probes find them at the same place whatever the prefix.
func addPrefix(paths yaml.MapSlice, prefix string) {
	prefix = strings.TrimRight(prefix, "/")
	for i := range paths {
		if path, ok := paths[i].Key.(string); ok && !strings.HasPrefix(path, "/-/") {
			paths[i].Key = prefix + path
		}
	}
}

func setVersion(info yaml.MapSlice, version string) {
	for i := range info {
		if info[i].Key == "version" {
			info[i].Value = version
		}
	}
}
