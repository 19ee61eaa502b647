<?xml version="1.0" encoding="utf-8"?>
<!-- The test archive: LoTSS-like mosaics behind a web form, SIA, and SODA.

  It offers what a survey's public cutout resource offers, at the path under which ASTRON has
  its own (hetdex/lotss-dr1-img), so that one client code drives both. -->
<resource schema="hetdex" resdir="hetdex">
  <meta name="title">LoTSS-like test images</meta>
  <meta name="creationDate">2026-01-01T00:00:00Z</meta>
  <meta name="description">Mosaics and cutouts for the tests of mingolotss.</meta>
  <meta name="creator.name">The mingolotss developers</meta>
  <meta name="subject">radio-continuum</meta>

  <table id="img" onDisk="True" adql="True">
    <mixin>//siap#pgs</mixin>
    <mixin calibLevel="3" collectionName="'LoTSS-DR1'" targetName="field"
      oUCD="'phot.flux.density;em.radio'" facilityName="'LOFAR'" instrumentName="'HBA'"
      did="pub_did" accessURL="dlurl"
      mime="'application/x-votable+xml;content=datalink'"
      size="10">//obscore#publishSIAP</mixin>
    <column name="pub_did" type="text" ucd="meta.ref.ivoid" description="Publisher DID"/>
    <column name="dlurl" type="text" ucd="meta.ref.url" description="DataLink of the image"/>
    <column name="field" type="text" ucd="meta.id;obs.field" description="Field"/>
    <column name="kind" type="text" ucd="meta.code.class" description="Product"/>
  </table>

  <data id="import">
    <sources recurse="True"><pattern>data/*.fits</pattern></sources>
    <fitsProdGrammar qnd="True">
      <maxHeaderBlocks>40</maxHeaderBlocks>
      <rowfilter procDef="//products#define">
        <bind key="table">"\schema.img"</bind>
      </rowfilter>
    </fitsProdGrammar>
    <make table="img">
      <rowmaker idmaps="field,kind,pub_did,dlurl">
        <var key="field">\srcstem.partition("-")[0]</var>
        <var key="kind">\srcstem.partition("-")[2]</var>
        <var key="pub_did">\standardPubDID</var>
        <var key="dlurl">\dlMetaURI{dl}</var>
        <apply procDef="//siap#computePGS"/>
        <apply procDef="//siap#setMeta">
          <bind key="title">"%s %s"%(@field, @kind)</bind>
          <bind key="instrument">"HBA"</bind>
          <bind key="bandpassId">"120-168 MHz"</bind>
          <bind key="bandpassRefval">2.08</bind>
          <bind key="bandpassLo">1.78</bind>
          <bind key="bandpassHi">2.50</bind>
          <bind key="pixflags">"C"</bind>
        </apply>
      </rowmaker>
    </make>
  </data>

  <service id="cutout" allowed="form,siap.xml">
    <meta name="title">Test image cutout</meta>
    <meta name="shortName">test cutout</meta>
    <meta name="sia.type">Cutout</meta>
    <meta name="testQuery.pos.ra">180</meta>
    <meta name="testQuery.pos.dec">50</meta>
    <meta name="testQuery.size.ra">0.1</meta>
    <meta name="testQuery.size.dec">0.1</meta>
    <siapCutoutCore queriedTable="img">
      <condDesc original="//siap#protoInput"/>
      <condDesc original="//siap#humanInput"/>
    </siapCutoutCore>
    <publish render="form" sets="local"/>
    <publish render="siap.xml" sets="local"/>
  </service>

  <service id="dl" allowed="dlget,dlmeta">
    <meta name="title">DataLink and SODA of the test images</meta>
    <meta name="shortName">test soda</meta>
    <datalinkCore>
      <descriptorGenerator procDef="//soda#fits_genDesc">
        <bind key="accrefPrefix">"hetdex/data/"</bind>
      </descriptorGenerator>
      <FEED source="//soda#fits_standardDLFuncs"/>
    </datalinkCore>
  </service>
</resource>
