package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"user-manager/crud/document"
	"user-manager/crud/embedded"
	"user-manager/upstream"
	"user-manager/users"
)

// storeConfig is the store, and where its collections are.
type storeConfig struct {
	url           string // "" means embedded
	users, groups string // paths
	// roles, journal, jobs and timers are paths too; "" means none.
	roles, journal, jobs, timers string
	path, sync                   string
	expose                       bool
	connections                  int                   // to a CRUD Service over the network
	firstGroups                  []document.Document   // what an empty store starts with
	declared                     []embedded.Definition // by files
}

func (r *reader) store() storeConfig {
	s := storeConfig{
		users:   r.text("USERS_CRUD_ENDPOINT"),
		groups:  r.text("UMS_CONFIG_CRUD_ENDPOINT"),
		roles:   r.text("ROLES_CRUD_ENDPOINT"),
		journal: r.text("JOURNAL_CRUD_ENDPOINT"),
		jobs:    r.text("JOBS_CRUD_ENDPOINT"),
		path:    r.text("EMBEDDED_PATH"),
		sync:    r.oneOf("EMBEDDED_SYNC", "full", "normal"),
		expose:  r.flag("EMBEDDED_CRUD_EXPOSE"),

		connections: r.number("CRUD_MAX_CONNECTIONS", 1, 10_000),
	}
	service := r.text("CRUD_SERVICE")
	if service == "" && s.users != "" {
		service = "crud-service"
	}
	if service != "" && service != "embedded" {
		r.remote(&s, service)
		return s
	}
	s.users = cmp.Or(s.users, "/users")
	s.groups = cmp.Or(s.groups, "/ums-config")
	s.roles = cmp.Or(s.roles, "/roles")
	s.journal = cmp.Or(s.journal, "/journal")
	s.jobs = cmp.Or(s.jobs, "/jobs")
	s.firstGroups = r.startGroups("USER_GROUPS_FILE")
	s.declared = r.definitions("COLLECTION_DEFINITION_FOLDER")
	return s
}

// remote completes the settings of a CRUD Service over the network.
func (r *reader) remote(s *storeConfig, service string) {
	s.url = r.address("CRUD_SERVICE", service, "embedded, ")
	if s.users == "" {
		r.wrong("USERS_CRUD_ENDPOINT", "is required with a CRUD Service")
	}
	if s.groups == "" {
		r.wrong("UMS_CONFIG_CRUD_ENDPOINT", "is required with a CRUD Service")
	}
	if file := r.text("USER_GROUPS_FILE"); file != "" && file != "none" {
		r.wrong("USER_GROUPS_FILE", "is for the embedded store only")
	}
	if r.text("COLLECTION_DEFINITION_FOLDER") != "" {
		r.wrong("COLLECTION_DEFINITION_FOLDER", "is for the embedded store only")
	}
}

// address returns the URL of the service that a variable names, by its host or its URL.
// other is what else the variable may be.
func (r *reader) address(name, service, other string) string {
	address := service
	if !strings.Contains(service, "://") {
		address = "http://" + service
	}
	switch u, err := url.Parse(address); {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		r.wrong(name, "must be %sthe name of a host or an http URL, not %q", other, service)
	case u.User != nil:
		r.wrong(name, "must have no user name or password: the service knows none")
	case strings.ContainsAny(address, "?#"):
		r.wrong(name, "must have no query or fragment: paths are put behind it")
	case !upstream.HasUsablePort(u):
		r.wrong(name, "must have a port from 1 to 65535, or none")
	}
	return address
}

// distinct refuses a path that two collections have.
func (r *reader) distinct(s storeConfig) {
	names := map[string]string{}
	for _, c := range []struct{ name, path string }{
		{"USERS_CRUD_ENDPOINT", s.users}, {"UMS_CONFIG_CRUD_ENDPOINT", s.groups}, {"ROLES_CRUD_ENDPOINT", s.roles}, {"JOURNAL_CRUD_ENDPOINT", s.journal}, {"JOBS_CRUD_ENDPOINT", s.jobs}, {"TIMERS_CRUD_ENDPOINT", s.timers},
	} {
		path := strings.Trim(c.path, "/")
		if c.path == "" {
			continue // there is none
		}
		if other, taken := names[path]; taken {
			r.wrong(c.name, "is the same path as %s, %q", other, c.path)
		}
		names[path] = c.name
	}
}

func (r *reader) definitions(name string) []embedded.Definition {
	folder := r.text(name)
	if folder == "" {
		return nil
	}
	declared, err := embedded.LoadDefinitions(folder)
	if err != nil {
		r.wrong(name, "%v", err)
	}
	return declared
}

// startGroups returns the groups that an empty store starts with.
func (r *reader) startGroups(name string) []document.Document {
	path := r.text(name)
	switch path {
	case "none":
		return nil
	case "":
		groups, err := readGroups(bytes.NewReader(demoGroups))
		if err != nil {
			r.wrong(name, "demo groups: %v", err)
		}
		return groups
	}
	file, err := os.Open(path)
	if err != nil {
		r.wrong(name, "%v", err)
		return nil
	}
	defer file.Close()
	groups, err := readGroups(file)
	if err != nil {
		r.wrong(name, "%s: %v", path, err)
	}
	return groups
}

// readGroups reads a JSON array of user groups and checks each.
func readGroups(from io.Reader) ([]document.Document, error) {
	var groups []document.Document
	if err := decodeFile(from, &groups); err != nil {
		return nil, fmt.Errorf("must be a JSON array of user groups: %w", err)
	}
	if groups == nil {
		return nil, errors.New("must be a JSON array of user groups, not null")
	}
	names := map[any]bool{}
	for i, group := range groups {
		if err := users.CheckGroup(group); err != nil {
			return nil, fmt.Errorf("group %d: %w", i+1, err)
		}
		name := group["userGroup"]
		if names[name] {
			return nil, fmt.Errorf("group %d: userGroup: %q is there twice", i+1, name)
		}
		names[name] = true
	}
	return groups, nil
}
