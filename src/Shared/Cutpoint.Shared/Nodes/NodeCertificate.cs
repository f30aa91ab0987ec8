using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Cutpoint.Nodes;

/// <summary>
/// The certificate of one start of one node. Nobody has signed it and nobody has to know it: what makes it trusted is that the node proves, with the secret,
/// that it is the one its peer sees.
/// </summary>
public static class NodeCertificate
{
    private static readonly TimeSpan Validity = TimeSpan.FromDays(3650);

    /// <summary>Makes one.</summary>
    public static X509Certificate2 Create(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=cutpoint", key, HashAlgorithmName.SHA256);
        var now = time.GetUtcNow();
        return request.CreateSelfSigned(now - TimeSpan.FromDays(1), now + Validity);
    }
}
