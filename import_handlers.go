package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"user-manager/csvimport"
	"user-manager/upstream"
	"user-manager/users"
)

// importUsers handles PATCH /users/import.
func (a *api) importUsers(w http.ResponseWriter, r *http.Request) error {
	dryRun, err := flagParam(r, "dryRun", false)
	if err != nil {
		return err
	}
	body, err := openBody(w, r)
	if err != nil {
		return err
	}
	ctx, end := a.untilStop(r.Context(), body.interrupt)
	defer end()
	report, err := a.importBody(ctx, body, dryRun)
	a.countRows(report, err, dryRun)
	if err != nil {
		return importError(ctx, body.blame(err))
	}
	answerImport(w, report, dryRun)
	return nil
}

func (a *api) importBody(ctx context.Context, body *uploadBody, dryRun bool) (users.ImportReport, error) {
	file, err := readUpload(body, a.imports.maxBytes)
	if err != nil {
		return users.ImportReport{}, err
	}
	defer file.Close()
	rows, err := csvimport.NewReader(file, file.options)
	if err != nil {
		return users.ImportReport{}, err
	}
	return a.users.Import(ctx, rows, users.ImportOptions{BatchSize: a.imports.batchSize, DryRun: dryRun, Interrupt: body.interrupt})
}

// errStopping is the cause of contexts that end because the service stops.
var errStopping = errors.New("the service is stopping")

// untilStop returns a context that ends with errStopping as its cause when the service
// stops, which is also told to stop; and a function that has to be called at the end.
func (a *api) untilStop(ctx context.Context, stop func()) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-a.stopping:
			cancel(errStopping)
			stop()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-over
	}
}

// answerImport answers item by item: a file may have very many rows.
func answerImport(w http.ResponseWriter, report users.ImportReport, dryRun bool) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	out := bufio.NewWriterSize(w, 32<<10) // whose error is that of a client that is gone
	out.WriteString(`{"updated":`)
	writeList(out, report.Updated)
	if dryRun {
		fmt.Fprintf(out, `,"insertable":%d`, report.Insertable)
	} else {
		out.WriteString(`,"inserted":`)
		writeList(out, report.Inserted)
	}
	out.WriteString(`,"invalid":`)
	writeList(out, report.Invalid)
	out.WriteString("}")
	_ = out.Flush()
}

// writeList writes items, which can always be encoded, as a JSON array.
func writeList[T any](out *bufio.Writer, items []T) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	out.WriteByte('[')
	for i, item := range items {
		text.Reset()
		_ = encoder.Encode(item)
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	}
	out.WriteByte(']')
}

// importError says what an import could not get over: the end of the service, an upstream,
// or the file itself.
func importError(ctx context.Context, err error) error {
	progress := ""
	broken, midway := errors.AsType[*users.ImportError](err)
	if midway {
		progress = broken.Progress()
	}
	told := func(status int, message string) error {
		return fmt.Errorf("%w: %w", &requestError{status, message + progress}, err)
	}
	err = fileError(err)
	if errors.Is(context.Cause(ctx), errStopping) {
		return told(http.StatusServiceUnavailable, errStopping.Error())
	}
	if _, ok := errors.AsType[*upstream.Error](err); ok {
		return failed("importing users", documented500, err)
	}
	wrong, ok := errors.AsType[*requestError](err)
	switch {
	case !midway:
		return err
	case ok:
		return told(wrong.status, wrong.message)
	case errors.Is(err, context.Canceled):
		return told(http.StatusInternalServerError, "Error while importing users: the client is gone")
	}
	return told(http.StatusInternalServerError, "internal error")
}
