namespace Cutpoint.Repository;

/// <summary>Kinds of secrets that open an encrypted repository.</summary>
public enum KeyKind
{
    /// <summary>Random octets, which nobody guesses: used as they are.</summary>
    File,

    /// <summary>Words of a person, which may be guessed: every guess is made expensive.</summary>
    Passphrase,
}
