using System;

namespace Microsoft.Build.Framework;

/// <summary>
/// Tells multi-threaded builds that a task may run in the entry process. MSBuild matches the attribute by name,
/// so that tasks compiled against an older MSBuild can carry it.
/// </summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
internal sealed class MSBuildMultiThreadableTaskAttribute : Attribute;
