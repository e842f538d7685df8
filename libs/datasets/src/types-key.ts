/** Key of the Parquet file's own metadata that keeps the column types: Parquet can't tell a category from a text. */
export const typesKey = 'millrace_column_types';
