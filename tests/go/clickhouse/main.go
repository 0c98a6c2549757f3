// Asks statements of a ClickHouse server as Grafana's ClickHouse data source does: the same driver, the same options
// (HTTP, gzip, the same first questions), and prints what it understood of the answers.
//
// Standard input: {"address": "127.0.0.1:8321", "database": "undertow", "statements": ["SELECT 1", …]}
// Standard output: one object a statement, {"columns": […], "types": […], "rows": [[…], …]} or {"error": "…"}
package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

type request struct {
	Address    string
	Database   string
	Statements []string
}

type answer struct {
	Columns []string   `json:"columns,omitempty"`
	Types   []string   `json:"types,omitempty"`
	Rows    [][]string `json:"rows"`
	Error   string     `json:"error,omitempty"`
}

func main() {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	db := clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{asked.Address},
		Auth:        clickhouse.Auth{Database: asked.Database, Username: "default"},
		Protocol:    clickhouse.HTTP,
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP},
		DialTimeout: 10 * time.Second,
		ReadTimeout: 60 * time.Second,
	})
	defer db.Close()
	out := json.NewEncoder(os.Stdout)
	for _, statement := range asked.Statements {
		found, err := ask(db, statement)
		if err != nil {
			found = answer{Error: err.Error()}
		}
		if err := out.Encode(found); err != nil {
			panic(err)
		}
	}
}

func ask(db *sql.DB, statement string) (answer, error) {
	if err := db.Ping(); err != nil {
		return answer{}, err
	}
	rows, err := db.Query(statement)
	if err != nil {
		return answer{}, err
	}
	defer rows.Close()
	found := answer{Rows: [][]string{}}
	if found.Columns, err = rows.Columns(); err != nil {
		return answer{}, err
	}
	kinds, err := rows.ColumnTypes()
	if err != nil {
		return answer{}, err
	}
	for _, kind := range kinds {
		found.Types = append(found.Types, kind.DatabaseTypeName())
	}
	for rows.Next() {
		values, places := make([]any, len(kinds)), make([]any, len(kinds))
		for i := range values {
			places[i] = &values[i]
		}
		if err := rows.Scan(places...); err != nil {
			return answer{}, err
		}
		texts := make([]string, len(values))
		for i, value := range values {
			texts[i] = text(value)
		}
		found.Rows = append(found.Rows, texts)
	}
	return found, rows.Err()
}

func text(value any) string {
	if moment, ok := value.(time.Time); ok {
		return moment.UTC().Format(time.RFC3339Nano)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}
