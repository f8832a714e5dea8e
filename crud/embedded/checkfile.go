package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// fileHead is how a database of SQLite begins.
var fileHead = []byte("SQLite format 3\x00")

// CheckFile reports whether [Open] could work on a file, as far as that can be seen without
// changing anything: the file is a database that this process may write, or there is none
// and it may make one. It does not look whether another process has the file open, and may
// be called while one has.
func CheckFile(path string) error {
	if path == ":memory:" {
		return nil
	}
	if err := CheckFolder(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, len(fileHead))
	switch n, err := io.ReadFull(f, head); {
	case errors.Is(err, io.EOF): // empty: Open makes a database of it
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case !bytes.Equal(head[:n], fileHead):
		return fmt.Errorf("%s is no database: move it away and restore a copy, or name another file", path)
	}
	return nil
}

// CheckFolder reports whether there is a folder in which this process may make files. It
// makes none.
func CheckFolder(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", path)
	}
	if err := mayWrite(path); err != nil {
		return &fs.PathError{Op: "make files in", Path: path, Err: err}
	}
	return nil
}
