package embedded

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
)

// Size returns how many bytes the store takes: "database", and beside a file "log", which
// has what was written last. It does not wait for writes.
func (s *Store) Size(ctx context.Context) (map[string]int64, error) {
	if s.db.memory {
		size, err := s.db.pages(ctx)
		return map[string]int64{"database": size}, err
	}
	sizes := map[string]int64{}
	for part, path := range map[string]string{"database": s.cfg.Path, "log": s.cfg.Path + "-wal"} {
		info, err := os.Stat(path)
		switch {
		case err == nil:
			sizes[part] = info.Size()
		case !errors.Is(err, fs.ErrNotExist): // the log of a store that nobody writes to
			return nil, err
		}
	}
	return sizes, nil
}

// pages returns the size of a database in memory.
func (d *database) pages(ctx context.Context) (size int64, err error) {
	err = d.query(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", nil, func(rows *sql.Rows) (bool, error) {
		return false, rows.Scan(&size)
	})
	return size, err
}
