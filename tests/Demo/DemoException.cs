namespace Cutpoint.Demo;

/// <summary>A step of the demo did not do what it should.</summary>
internal sealed class DemoException(string message, Exception? inner = null) : Exception(message, inner);
