using System.Text.Json.Serialization;

namespace Cutpoint.Guests;

/// <summary>What becomes of a running guest after its checkpoint. A guest that was paused before stays paused.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<AfterCut>))]
public enum AfterCut
{
    /// <summary>It runs on, from the moment the cut is released.</summary>
    Continue,

    /// <summary>It stays stopped in the state of the checkpoint. When the job fails, it runs on after all.</summary>
    Stop,
}
