package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// A dialect is how a service is asked.
type dialect interface {
	create(person) request
	get(id string) request
	getByEmail(email string) request
	list(limit, skip int) request // skip is a multiple of limit
	patch(id, company string) request
	remove(id string) request

	// health is answered with 200 by a service that is ready.
	health() request
	// marker is what each document of an answer has once, before its id.
	marker() string
}

// A person is a document.
type person struct{ username, email, name, company string }

func (p person) json() []byte {
	return fmt.Appendf(nil, `{"userGroup":"contacts","username":%q,"email":%q,"name":%q,"company":%q}`,
		p.username, p.email, p.name, p.company)
}

// idIn returns the first id of an answer.
func idIn(d dialect, body []byte) (string, error) {
	_, after, _ := bytes.Cut(body, []byte(d.marker()))
	id, _, ended := bytes.Cut(after, []byte(`"`))
	if !ended || len(id) == 0 {
		return "", fmt.Errorf("no id in the answer: %.200q", body)
	}
	return string(id), nil
}

// idsIn returns all ids of an answer.
func idsIn(d dialect, body []byte) ([]string, error) {
	var ids []string
	for bytes.Contains(body, []byte(d.marker())) {
		id, err := idIn(d, body)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
		_, body, _ = bytes.Cut(body, []byte(d.marker()))
	}
	return ids, nil
}

// ours is this service: at /crud/users/ the store by itself, at /users/ users without
// an account.
type ours struct {
	path string // with a slash at its end
	byID bool   // GET path/:id exists; else a filter does
}

func (ours) marker() string  { return `"_id":"` }
func (ours) health() request { return request{"GET", "/-/healthz", nil, http.StatusOK, anyNumber, ""} }

func (o ours) create(p person) request {
	return request{"POST", o.path, p.json(), http.StatusOK, 1, ""}
}

func (o ours) get(id string) request {
	if o.byID {
		return request{"GET", o.path + id, nil, http.StatusOK, 1, id}
	}
	return request{"GET", o.path + "?_q=" + url.QueryEscape(`{"_id":"`+id+`"}`), nil, http.StatusOK, 1, id}
}

func (o ours) getByEmail(email string) request {
	return request{"GET", o.path + "?email=" + url.QueryEscape(email), nil, http.StatusOK, 1, email}
}

func (o ours) list(limit, skip int) request {
	path := o.path + "?_l=" + strconv.Itoa(limit)
	if skip > 0 {
		path += "&_sk=" + strconv.Itoa(skip)
	}
	return request{"GET", path, nil, http.StatusOK, limit, ""}
}

func (o ours) patch(id, company string) request {
	return request{"PATCH", o.path + id, fmt.Appendf(nil, `{"$set":{"company":%q}}`, company), http.StatusOK, 1, company}
}

func (o ours) remove(id string) request {
	return request{"DELETE", o.path + id, nil, http.StatusNoContent, 0, ""}
}

// bulk creates many at once, in the store, which is where /users/ reads them too.
func (ours) bulk(people []person) request {
	body := []byte{'['}
	for i, p := range people {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, p.json()...)
	}
	return request{"POST", "/crud/users/bulk", append(body, ']'), http.StatusOK, len(people), ""}
}

// pocketbase is PocketBase with the collection of pocketbase/main.go. Lists do without
// the count of all records (skipTotal), which this service does not make either.
type pocketbase struct{}

const records = "/api/collections/people/records"

func (pocketbase) marker() string { return `"id":"` }

func (pocketbase) health() request {
	return request{"GET", "/api/health", nil, http.StatusOK, anyNumber, ""}
}

func (pocketbase) create(p person) request {
	return request{"POST", records, p.json(), http.StatusOK, 1, ""}
}

func (pocketbase) get(id string) request {
	return request{"GET", records + "/" + id, nil, http.StatusOK, 1, id}
}

func (pocketbase) getByEmail(email string) request {
	return request{"GET", records + "?perPage=1&skipTotal=1&filter=" + url.QueryEscape("(email='"+email+"')"), nil, http.StatusOK, 1, email}
}

func (pocketbase) list(limit, skip int) request {
	path := fmt.Sprintf("%s?skipTotal=1&perPage=%d&page=%d", records, limit, skip/limit+1)
	return request{"GET", path, nil, http.StatusOK, limit, ""}
}

func (pocketbase) patch(id, company string) request {
	return request{"PATCH", records + "/" + id, fmt.Appendf(nil, `{"company":%q}`, company), http.StatusOK, 1, company}
}

func (pocketbase) remove(id string) request {
	return request{"DELETE", records + "/" + id, nil, http.StatusNoContent, 0, ""}
}
