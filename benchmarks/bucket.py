"""Releases from a real S3 server beside the limit of the same run's parts: Ceph's object gateway, as the tests start it.

The part *store* is the bare SDK: `get_object` of the whole object in as many threads as the service's store has.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import urllib3
from minio import Minio

from benchmarks.place import Place
from benchmarks.release import Read, Releases, measure_releases
from benchmarks.world import file_cases
from tests.support.rgw import Gateway

CASES = 12
THREADS = 32  # as many as the service's store has


async def measure_s3(place: Place, *, seconds: float, repeats: int) -> list[Releases]:
    """Start a gateway, file cases into a bucket of it, measure and print."""
    gateway = Gateway()
    try:
        bucket = gateway.bucket()
        there = place.having(
            VAULT_STORE=f"s3://{bucket}?endpoint={gateway.endpoint}",
            VAULT_STORE_ACCESS_KEY=gateway.owner.access_key,
            VAULT_STORE_SECRET_KEY=gateway.owner.secret_key,
        )
        cases = await file_cases(there, CASES)
        with ThreadPoolExecutor(THREADS) as threads:
            read = _bare(gateway, bucket, threads)
            return await measure_releases(there, cases, seconds=seconds, repeats=repeats, read=read, where="S3")
    finally:
        gateway.stop()


def _bare(gateway: Gateway, bucket: str, threads: ThreadPoolExecutor) -> Read:
    client = Minio(
        gateway.endpoint.removeprefix("http://"), *gateway.owner, secure=False, region="us-east-1",
        http_client=urllib3.PoolManager(maxsize=THREADS),
    )  # fmt: skip

    def get(name: str) -> int:
        answer = client.get_object(bucket, name)
        try:
            return len(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    async def read(name: str) -> int:
        return await asyncio.get_running_loop().run_in_executor(threads, get, name)

    return read
