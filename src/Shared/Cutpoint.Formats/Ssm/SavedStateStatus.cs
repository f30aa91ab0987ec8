namespace Cutpoint.Formats.Ssm;

/// <summary>
/// Status numbers of the saved state contract: negative is an error, zero success, positive information. Source: saved state contract, section E.5.
/// </summary>
public enum SavedStateStatus
{
    /// <summary>Success; as a vote: satisfied.</summary>
    Ok = 0,

    /// <summary>A callback failed for a reason without a number of its own.</summary>
    GeneralFailure = -1,

    /// <summary>An argument is wrong.</summary>
    InvalidParameter = -2,

    /// <summary>A table does not carry its magic.</summary>
    InvalidMagic = -3,

    /// <summary>The other side knows no such command.</summary>
    NotImplemented = -12,

    /// <summary>The stream cannot do what was asked, such as seeking.</summary>
    NotSupported = -37,

    /// <summary>A string is longer than its limit.</summary>
    TooMuchData = -42,

    /// <summary>A value is outside its range, such as a name that is too long.</summary>
    OutOfRange = -54,

    /// <summary>Not in this state.</summary>
    InvalidProgramState = -79,

    /// <summary>The password was wrong.</summary>
    AuthenticationFailure = -89,

    /// <summary>The input ends.</summary>
    EndOfFile = -110,

    /// <summary>Media could not be locked.</summary>
    FileLockFailed = -115,

    /// <summary>A callback answered with information that means nothing here.</summary>
    UnexpectedInformation = -231,

    /// <summary>The device cannot be read or written; also: a frame that is no frame.</summary>
    InputOutputFailure = -257,

    /// <summary>Name and instance are registered already.</summary>
    UnitExists = -1800,

    /// <summary>No such unit.</summary>
    UnitNotFound = -1801,

    /// <summary>The unit belongs to another owner.</summary>
    UnitNotOwner = -1802,

    /// <summary>Reserved fields, flags or block size of a header; an unnamed unit.</summary>
    Integrity = -1810,

    /// <summary>Not a saved state.</summary>
    IntegrityMagic = -1811,

    /// <summary>A version of the format nobody knows.</summary>
    IntegrityVersion = -1812,

    /// <summary>The size noted is not the size.</summary>
    IntegritySize = -1813,

    /// <summary>A checksum does not match.</summary>
    IntegrityCrc = -1814,

    /// <summary>The machine's identifier is not nil (old formats).</summary>
    IntegrityMachine = -1815,

    /// <summary>Pointer or address sizes of the header.</summary>
    IntegrityHeader = -1816,

    /// <summary>Fields of a unit's header.</summary>
    IntegrityUnit = -1817,

    /// <summary>No unit begins here.</summary>
    IntegrityUnitMagic = -1818,

    /// <summary>The input holds a unit nobody registered.</summary>
    IntegrityUnitNotFound = -1819,

    /// <summary>The version of the program that wrote this is implausible.</summary>
    IntegrityProgramVersion = -1820,

    /// <summary>The footer.</summary>
    IntegrityFooter = -1821,

    /// <summary>Type, flags or length of a record.</summary>
    IntegrityRecordHeader = -1822,

    /// <summary>Fields of a terminator record.</summary>
    IntegrityRecordTerminator = -1823,

    /// <summary>Checksum of a terminator record.</summary>
    IntegrityRecordTerminatorCrc = -1824,

    /// <summary>A compressed or zero record.</summary>
    IntegrityDecompression = -1825,

    /// <summary>The directory.</summary>
    IntegrityDirectory = -1826,

    /// <summary>No directory begins here.</summary>
    IntegrityDirectoryMagic = -1827,

    /// <summary>The unit is registered, but cannot load.</summary>
    NoLoadExecute = -1830,

    /// <summary>A callback read beyond the unit's end.</summary>
    LoadedTooMuch = -1831,

    /// <summary>The call does not belong into this phase.</summary>
    InvalidState = -1832,

    /// <summary>A callback left a part of its unit unread.</summary>
    LoadedTooLittle = -1833,

    /// <summary>A unit's owner does not know the version of its data.</summary>
    UnsupportedUnitVersion = -1840,

    /// <summary>A unit's owner found its data's layout changed.</summary>
    UnitFormatChanged = -1841,

    /// <summary>The processors differ.</summary>
    LoadCpuidMismatch = -1842,

    /// <summary>The memory sizes differ.</summary>
    LoadMemorySizeMismatch = -1843,

    /// <summary>The configurations differ.</summary>
    LoadConfigMismatch = -1844,

    /// <summary>The frequencies of the virtual clock differ.</summary>
    VirtualClockHz = -1845,

    /// <summary>A disk did not come to rest in time.</summary>
    IdeAsyncTimeout = -1846,

    /// <summary>A structure's marker is wrong.</summary>
    StructureMagic = -1847,

    /// <summary>A unit's owner found what it did not expect.</summary>
    UnexpectedData = -1848,

    /// <summary>A guest-physical address of 4 GiB or more into a 32-bit field.</summary>
    GuestPhysicalOverflow = -1849,

    /// <summary>A guest pointer of 4 GiB or more into a 32-bit field.</summary>
    GuestPointerOverflow = -1850,

    /// <summary>Vote: at least one more pass.</summary>
    VoteForAnotherPass = 1851,

    /// <summary>Vote: satisfied until the final pass.</summary>
    VoteDoneDontCallAgain = 1852,

    /// <summary>Vote: the save cannot succeed.</summary>
    VoteForGivingUp = -1853,

    /// <summary>Live execution: nothing more to do until the final pass.</summary>
    DontCallAgain = 1854,

    /// <summary>The limit of passes is reached.</summary>
    TooManyPasses = -1855,

    /// <summary>The state grew beyond its limit.</summary>
    StateGrewTooBig = -1856,

    /// <summary>The disk is nearly full.</summary>
    LowOnDiskSpace = -1857,

    /// <summary>The operation was cancelled.</summary>
    Cancelled = -1858,

    /// <summary>Nothing to cancel.</summary>
    NoPendingOperation = -1859,

    /// <summary>Cancelled before.</summary>
    AlreadyCancelled = -1860,

    /// <summary>The guest was powered off while it was saved live.</summary>
    LivePoweredOff = -1861,

    /// <summary>The guest's monitor failed while it was saved live.</summary>
    LiveGuruMeditation = -1862,

    /// <summary>A fatal error while the guest was saved live.</summary>
    LiveFatalError = -1863,

    /// <summary>The guest was suspended by somebody else; do not resume it.</summary>
    LiveSuspended = 1864,

    /// <summary>A transformer the simple structure calls do not have.</summary>
    FieldComplex = -1864,

    /// <summary>A field's size does not fit its transformer.</summary>
    FieldInvalidSize = -1865,

    /// <summary>A field lies outside its structure.</summary>
    FieldOutOfBounds = -1866,

    /// <summary>Fields do not follow each other.</summary>
    FieldNotConsecutive = -1867,

    /// <summary>A field without transformer.</summary>
    FieldInvalidCallback = -1868,

    /// <summary>Padding whose size does not match the host.</summary>
    FieldInvalidPaddingSize = -1869,

    /// <summary>A field's value does not fit its transformer.</summary>
    FieldInvalidValue = -1870,

    /// <summary>The stream underneath failed.</summary>
    StreamError = -1871,

    /// <summary>A callback got a pass it cannot handle.</summary>
    UnexpectedPass = -1872,

    /// <summary>Old formats cannot skip backwards.</summary>
    SkipBackwards = -1873,

    /// <summary>A record of 2 GiB or more.</summary>
    MemoryTooBig = -1874,

    /// <summary>A record of unknown type where data was read.</summary>
    BadRecordType = -1875,

    /// <summary>A transformer that can only load.</summary>
    FieldLoadOnlyTransformation = -1879,

    /// <summary>An enumeration's value outside its range.</summary>
    EnumValueOutOfRange = -1880,
}
