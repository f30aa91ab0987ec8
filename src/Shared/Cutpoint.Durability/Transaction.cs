using System.Data.Common;

namespace Cutpoint.Durability;

/// <summary>One transaction under way. One call at a time; of use only inside of <see cref="Database.TransactAsync"/>.</summary>
public sealed class Transaction
{
    private readonly DbConnection _connection;
    private readonly DbTransaction _transaction;

    internal Transaction(Database database, DbConnection connection, DbTransaction transaction)
    {
        Database = database;
        _connection = connection;
        _transaction = transaction;
    }

    /// <summary>The database.</summary>
    public Database Database { get; }

    /// <summary>Runs a statement; returns the rows it changed.</summary>
    internal async Task<int> ExecuteAsync(string statement, CancellationToken cancellation, params (string Name, object Value)[] values)
    {
        var command = Command(statement, values);
        await using (command.ConfigureAwait(false)) return await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>The rows of a query.</summary>
    internal async Task<List<T>> QueryAsync<T>(
        string query, Func<DbDataReader, T> read, CancellationToken cancellation, params (string Name, object Value)[] values)
    {
        var rows = new List<T>();
        var command = Command(query, values);
        await using (command.ConfigureAwait(false))
        {
            var reader = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                while (await reader.ReadAsync(cancellation).ConfigureAwait(false)) rows.Add(read(reader));
            }
        }
        return rows;
    }

    /// <summary>The whole number in the first row, or null when there is no row.</summary>
    internal async Task<long?> NumberAsync(string query, CancellationToken cancellation, params (string Name, object Value)[] values) =>
        (await QueryAsync(query, static row => (long?)row.GetInt64(0), cancellation, values).ConfigureAwait(false)).FirstOrDefault();

    private DbCommand Command(string text, (string Name, object Value)[] values)
    {
        var command = _connection.CreateCommand();
        command.Transaction = _transaction;
#pragma warning disable CA2100 // Every statement is a constant of this assembly; what varies goes in as parameters.
        command.CommandText = text;
#pragma warning restore CA2100
        foreach (var (name, value) in values)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }
        return command;
    }
}
