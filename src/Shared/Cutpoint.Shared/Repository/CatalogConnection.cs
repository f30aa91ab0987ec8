using System.Data.Common;
using System.Globalization;

namespace Cutpoint.Repository;

/// <summary>
/// The database of a catalog: its statements, its transactions, and the wording of its errors. Statements are written once, in what SQLite and PostgreSQL have in
/// common; what differs is in the two that derive from this. Safe for concurrent use: one call after the other runs.
/// </summary>
internal abstract class CatalogConnection : IDisposable
{
    /// <summary>What a person calls the catalog in a message; without secrets.</summary>
    public abstract string Name { get; }

    /// <summary>Changes when commands made before can no longer be used.</summary>
    public int Generation { get; protected set; }

    protected Lock Gate { get; } = new();

    /// <summary>Where statements run.</summary>
    protected abstract DbConnection Database { get; }

    /// <summary>A command whose parameters are named @0, @1 and so on.</summary>
    public DbCommand Command(string text, params ReadOnlySpan<object?> values)
    {
        var command = Database.CreateCommand();
#pragma warning disable CA2100 // Every statement is a constant of this assembly; what varies goes in as parameters, or is an id of ours.
        command.CommandText = text;
#pragma warning restore CA2100
        for (var index = 0; index < values.Length; index++)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = string.Create(CultureInfo.InvariantCulture, $"@{index}");
            parameter.Value = values[index] ?? DBNull.Value;
            command.Parameters.Add(parameter);
        }
        return command;
    }

    /// <summary>Runs a statement without a result.</summary>
    /// <returns>Rows changed.</returns>
    public int Execute(string text, params ReadOnlySpan<object?> values)
    {
        using var command = Command(text, values);
        return command.ExecuteNonQuery();
    }

    /// <summary>Runs a statement once for each row of values, all of the same types.</summary>
    public virtual void ExecuteEach(string text, IEnumerable<object?[]> rows)
    {
        DbCommand? command = null;
        try
        {
            foreach (var row in rows)
            {
                if (command is null)
                {
                    command = Command(text, row);
                    command.Prepare();
                }
                for (var index = 0; index < row.Length; index++) command.Parameters[index].Value = row[index] ?? DBNull.Value;
                command.ExecuteNonQuery();
            }
        }
        finally
        {
            command?.Dispose();
        }
    }

    /// <summary>The first column of the first row, or null.</summary>
    public object? Scalar(string text, params ReadOnlySpan<object?> values)
    {
        using var command = Command(text, values);
        return command.ExecuteScalar();
    }

    /// <summary>Runs reads or statements that commit by themselves, and words their errors.</summary>
    /// <param name="work">The work; it may run again when the connection was lost.</param>
    public abstract T Run<T>(Func<T> work);

    /// <summary>Runs reads that all see one state.</summary>
    /// <param name="work">The work; it may run again when the connection was lost.</param>
    public abstract T Read<T>(Func<T> work);

    /// <summary>Runs work in one transaction that holds the write lock from its start.</summary>
    /// <param name="work">The work; an exception rolls it back. It may run again when the connection was lost before its commit.</param>
    /// <param name="isDurable">True when it must survive a power cut from the moment this returns; else only the end of the
    /// process.</param>
    public abstract T Write<T>(Func<T> work, bool isDurable);

    /// <summary>What the database itself finds wrong with its files; empty when nothing.</summary>
    public abstract IReadOnlyList<string> Check();

    public abstract void Dispose();

    /// <summary>True for what a driver throws for a value of another type than the schema allows, and for one that cannot be: only damage puts such there.</summary>
    protected static bool IsDamage(Exception error) =>
        error is FormatException or InvalidCastException or OverflowException or InvalidOperationException and not ObjectDisposedException;

    protected SnapshotException Damaged(string reason, Exception? inner = null) => new(
        ErrorCode.VerificationFailed, $"{Name} is damaged: {reason}", "rebuild it from the packs with 'cutpoint repair'", inner);

    protected SnapshotException OfOtherVersion(long version, int known) => new(
        ErrorCode.Incompatible, $"{Name} has version {version}, this program knows {known}", "use a newer version of Cutpoint");
}
