package main

import (
	"errors"
	"net/http"

	"user-manager/csvimport"
	"user-manager/upstream"
	"user-manager/users"
)

// importUsers handles PATCH /users/import.
func (a *api) importUsers(w http.ResponseWriter, r *http.Request) error {
	type answer struct {
		Updated  []string           `json:"updated"`
		Inserted []string           `json:"inserted"`
		Invalid  []users.InvalidRow `json:"invalid"`
	}
	type dryAnswer struct {
		Updated    []string           `json:"updated"`
		Insertable int                `json:"insertable"`
		Invalid    []users.InvalidRow `json:"invalid"`
	}
	dryRun, err := flagParam(r, "dryRun", false)
	if err != nil {
		return err
	}
	file, err := readUpload(w, r, a.imports.maxBytes)
	if err != nil {
		return err
	}
	defer file.Close()
	rows, err := csvimport.NewReader(file, file.options)
	if err != nil {
		return importError(err)
	}
	report, err := a.users.Import(r.Context(), rows, users.ImportOptions{BatchSize: a.imports.batchSize, DryRun: dryRun})
	if err != nil {
		return importError(err)
	}
	updated, invalid := orEmpty(report.Updated), orEmpty(report.Invalid)
	if dryRun {
		return encode(w, http.StatusOK, dryAnswer{updated, report.Insertable, invalid})
	}
	return encode(w, http.StatusOK, answer{updated, orEmpty(report.Inserted), invalid})
}

// orEmpty returns a slice that is an array in JSON also when there is nothing in it.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// importError says what an import could not get over: an upstream, or the file itself.
func importError(err error) error {
	if _, ok := errors.AsType[*upstream.Error](err); ok {
		return failed("importing users", documented500, err)
	}
	broken, midway := errors.AsType[*users.ImportError](err)
	wrong, ok := errors.AsType[*requestError](fileError(err))
	if !ok || !midway {
		return fileError(err)
	}
	return &requestError{wrong.status, wrong.message + broken.Progress()}
}
